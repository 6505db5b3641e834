import { kindOf } from "../../src/base/check/check.ts";
import { invalidArgument } from "../../src/base/error.ts";

/** Throws a TypeError (`invalid_argument`) unless a value is a server of `node:http` or `node:https`. */
export function checkServer(usage: string, server: unknown): void {
  const { on, off, listenerCount } = (server ?? {}) as Record<string, unknown>;
  if ([on, off, listenerCount].every((method) => typeof method === "function")) return;
  throw invalidArgument(`the server must be one of node:http or node:https, not ${kindOf(server)}: write ${usage}`);
}
