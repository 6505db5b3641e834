import { invalidArgument } from "../src/error.ts";
import type { SessionFactory } from "../src/session.ts";

/** Which upgrades become clients, for a server that the application brought. */
export interface UpgradeOptions<Data = unknown> {
  /** The path of WebSocket upgrades. Default: every path. */
  path?: string;
  /** Decides about each upgrade, before the 101. */
  session: SessionFactory<Data>;
}

/** Throws a TypeError (`invalid_argument`) for options that cannot work. */
export function checkUpgradeOptions(options: UpgradeOptions<never>): void {
  if (typeof options !== "object" || options === null) throw invalidArgument("options with a session are required");
  const { path, session } = options;
  if (typeof session !== "function") {
    throw invalidArgument("session must be a function that takes a request and returns a session or a Response");
  }
  if (path !== undefined && (typeof path !== "string" || !path.startsWith("/"))) {
    throw invalidArgument('path must be a string that starts with "/"');
  }
}

/** Whether a request asks to become a WebSocket on the path; any path when that is undefined. */
export function isUpgradeFor(request: Request, path: string | undefined): boolean {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return false;
  return path === undefined || new URL(request.url).pathname === path;
}

/** The address as IPv4 where it is one that a dual-stack socket wrote as IPv6. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
