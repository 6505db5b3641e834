import { networkInterfaces } from "node:os";

/** This machine's first IPv4 address that others can reach; `127.0.0.1` when it has none. */
export function localAddress(): string {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.find((address) => address?.family === "IPv4" && !address.internal)?.address ?? "127.0.0.1";
}
