/**
 * This machine's own address: its first IPv4 address that is not loopback, else its first IPv6 address that other machines
 * reach, else `127.0.0.1`.
 *
 * An IPv6 address comes without brackets: write `[${localAddress()}]:8081` in a host. It asks the runtime for its `os` module
 * rather than importing it, so that the core loads where there is none.
 */
export function localAddress(): string {
  return addressOf(os()?.networkInterfaces() ?? {});
}

/** The address of a machine with these interfaces. */
export function addressOf(interfaces: Readonly<Record<string, readonly NetworkAddress[] | undefined>>): string {
  const outside = Object.values(interfaces).flatMap((addresses) => addresses ?? []).filter(({ internal }) => !internal);
  const ipv4 = outside.find(({ family }) => family === "IPv4" || family === 4);
  const ipv6 = outside.find(({ family, address }) => (family === "IPv6" || family === 6) && !LINK_LOCAL.test(address));
  return (ipv4 ?? ipv6)?.address ?? "127.0.0.1";
}

/** Good on one link only, and with the name of an interface. */
const LINK_LOCAL = /^fe[89ab]/i;

/** One address of an interface, as `os.networkInterfaces()` lists it. */
export interface NetworkAddress {
  readonly address: string;
  readonly family: string | number;
  readonly internal: boolean;
}

interface Os {
  networkInterfaces(): Record<string, readonly NetworkAddress[] | undefined>;
}

function os(): Os | undefined {
  const host = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return host.process?.getBuiltinModule?.("node:os") as Os | undefined;
}
