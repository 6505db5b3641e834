interface NetworkAddress {
  readonly address: string;
  readonly family: string | number;
  readonly internal: boolean;
}

interface Os {
  networkInterfaces(): Record<string, readonly NetworkAddress[] | undefined>;
}

/**
 * This machine's first IPv4 address that is not loopback, `127.0.0.1` when there is none or the runtime does not tell.
 *
 * It asks the runtime for its `os` module rather than importing it, so that the core loads where there is none.
 */
export function localAddress(): string {
  for (const addresses of Object.values(os()?.networkInterfaces() ?? {})) {
    const found = addresses?.find(({ family, internal }) => (family === "IPv4" || family === 4) && !internal);
    if (found) return found.address;
  }
  return "127.0.0.1";
}

function os(): Os | undefined {
  const host = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return host.process?.getBuiltinModule?.("node:os") as Os | undefined;
}
