import { invalidArgument } from "./error.ts";

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const PORT = /^[1-9][0-9]{0,4}$/;
const DECIMAL_BYTE = /^(?:0|[1-9][0-9]{0,2})$/;

/**
 * Throws unless `host` is an address that a node may be dialled at: `name:port`, `1.2.3.4:port` or `[1:2::3]:port`.
 *
 * Hosts come from the storage, which others can write, and end in a URL: whatever a URL would read as more than a name and a
 * port (a scheme, a path, a user, a space) or as another address than it looks like (`2130706433`, `0x7f.1`, an IPv4 address
 * mapped into IPv6) is refused, and so are the addresses that mean "any" (`0.0.0.0`, `[::]`).
 *
 * @throws TypeError `invalid_argument`
 */
export function checkHost(host: unknown): asserts host is string {
  if (typeof host !== "string") {
    throw invalidArgument(`the host must be a string such as "10.0.0.5:8081", not ${typeof host}`);
  }
  const colon = host.lastIndexOf(":");
  const name = host.slice(0, Math.max(colon, 0));
  const port = host.slice(colon + 1);
  if (colon < 1) throw refused(host, "it must be name:port");
  if (!PORT.test(port) || Number(port) > 65_535) throw refused(host, "its port must be 1 to 65535");
  if (name.startsWith("[")) checkIPv6(host, name);
  else checkName(host, name);
}

function checkName(host: string, name: string): void {
  const labels = name.split(".");
  if (name.length > 253 || !labels.every((label) => LABEL.test(label))) {
    throw refused(host, "its name is not a DNS name");
  }
  // The WHATWG URL parser reads a name as an IPv4 address when its last label is a number.
  if (!/^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/.test(labels.at(-1) ?? "")) return;
  const isAddress = labels.length === 4 && labels.every((label) => DECIMAL_BYTE.test(label) && Number(label) < 256);
  if (!isAddress) throw refused(host, "its IPv4 address must be four decimal numbers");
  if (name === "0.0.0.0") throw refused(host, "no one can be reached at that address");
}

function checkIPv6(host: string, name: string): void {
  const canonical = /^\[[0-9A-Fa-f:.]{2,45}\]$/.test(name) && URL.parse(`http://${name}/`)?.hostname;
  if (!canonical) throw refused(host, "its IPv6 address is malformed");
  if (canonical === "[::]") throw refused(host, "no one can be reached at that address");
  if (canonical.startsWith("[::ffff:")) throw refused(host, "write the IPv4 address itself");
}

function refused(host: string, why: string): TypeError {
  // Quoted as JSON so that control characters cannot forge a line of a log.
  return invalidArgument(`${JSON.stringify(host.slice(0, 100))} is not a host: ${why}`);
}
