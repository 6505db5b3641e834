import { refuse } from "../../src/door/admission.ts";
import { invalidArgument } from "../../src/base/error.ts";
import { listsToken } from "../../src/base/header-list.ts";
import type { SessionFactory } from "../../src/client/session.ts";

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
  return isUpgrade(request) && (path === undefined || new URL(request.url).pathname === path);
}

/**
 * Whether a request asks to become a WebSocket. One whose Connection header does not name Upgrade does not: what its Upgrade
 * header says is to be ignored (RFC 9110 section 7.8).
 */
export function isUpgrade({ headers }: Request): boolean {
  return listsToken(headers.get("upgrade"), "websocket") && listsToken(headers.get("connection"), "upgrade");
}

/**
 * Refuses a request whose Host header is none; undefined for a good one.
 * Bun and Deno paste the header into the URL, so that `Host: a/b` would change the path that others check.
 */
export function checkHostHeader(request: Request): Response | undefined {
  const host = request.headers.get("host");
  if ((host === null || isHost(host)) && URL.canParse(request.url)) return undefined;
  return refuse(400, "the Host header is not a host");
}

/** Whether a Host header names a host and reaches into no other part of a URL. */
export function isHost(host: string): boolean {
  return /^[^\s/?#@\\]+$/.test(host);
}

/** The address as IPv4 where it is one that a dual-stack socket wrote as IPv6. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
