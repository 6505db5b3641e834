import { invalidArgument } from "../../src/base/error.ts";

/** Throws a TypeError (`invalid_argument`) unless a server can be told to listen there; undefined is the default. */
export function checkAddress(prefix: string, { port, hostname }: { port?: unknown; hostname?: unknown }): void {
  if (port !== undefined && !(typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw invalidArgument(`${prefix}port must be an integer from 0 to 65535; 0 takes any free one`);
  }
  if (hostname !== undefined && (typeof hostname !== "string" || hostname === "")) {
    throw invalidArgument(`${prefix}hostname must be an address of this machine, such as 0.0.0.0`);
  }
}
