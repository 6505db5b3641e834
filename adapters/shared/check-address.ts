import { kindOf } from "../../src/base/check/check.ts";
import { invalidArgument } from "../../src/base/error.ts";

/** Throws a TypeError (`invalid_argument`) unless it can be a port to listen on. */
export function checkPort(name: string, port: unknown): void {
  if (typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535) return;
  const fix = typeof port === "string"
    ? `: write Number(${JSON.stringify(port).slice(0, 20)})`
    : "; 0 takes any free one";
  const came = typeof port === "number" ? String(port) : kindOf(port);
  throw invalidArgument(`${name} must be an integer from 0 to 65535, not ${came}${fix}`);
}

/** Throws a TypeError (`invalid_argument`) unless it can be an address to listen on. */
export function checkHostname(name: string, hostname: unknown): void {
  if (typeof hostname === "string" && hostname !== "") return;
  const came = hostname === "" ? "an empty string" : kindOf(hostname);
  throw invalidArgument(`${name} must be an address of this machine, such as "0.0.0.0", not ${came}`);
}
