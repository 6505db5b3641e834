import { refuse } from "../../src/door/admission.ts";
import { anything, checkOptions, checkPath, kindOf, type OptionTable } from "../../src/base/check/check.ts";
import { invalidArgument } from "../../src/base/error.ts";
import { listsToken } from "../../src/base/header-list.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { SessionFactory } from "../../src/client/session.ts";

/** Which upgrades become clients, for a server that the application brought. */
export interface UpgradeOptions<Data = unknown> {
  /** The path of WebSocket upgrades. Default: every path. */
  path?: string;
  /** Decides about each upgrade, before the 101. */
  session: SessionFactory<Data>;
}

/** The options of an upgrade. */
export const UPGRADE_OPTIONS: OptionTable<UpgradeOptions> = { path: checkPath, session: anything };

/** Throws a TypeError (`invalid_argument`) for options that are not in the table, or that cannot work. */
export function checkUpgradeOptions<Options extends { session: unknown }>(
  usage: string,
  options: unknown,
  table: OptionTable<Options>,
): asserts options is Options {
  if (options === undefined) throw invalidArgument(`options are missing: write ${usage}`);
  checkOptions<Options>("options", options, table);
  const { session } = options;
  if (typeof session === "function") return;
  throw invalidArgument(
    `session must be a function (request) => ({ id, onConnect, onEvent }), not ${kindOf(session)}: write ${usage}`,
  );
}

/** Throws a TypeError (`invalid_argument`) unless a value is a hub. */
export function checkHub<Data>(usage: string, hub: unknown): asserts hub is Hub<Data> {
  if (hub instanceof Hub) return;
  throw invalidArgument(`the hub must be a Hub or a DistHub, not ${kindOf(hub)}: write ${usage}`);
}

/** Whether a request asks to become a WebSocket on the path; any path when that is undefined. */
export function isUpgradeFor(request: Request, path: string | undefined): boolean {
  return isUpgrade(request) && isOnPath(request, path);
}

/** Whether a request is for the path; any is, if that is undefined. */
export function isOnPath(request: Request, path: string | undefined): boolean {
  return path === undefined || new URL(request.url).pathname === path;
}

/**
 * Whether a request asks to become a WebSocket. One whose Connection header does not name Upgrade does not: what its Upgrade
 * header says is to be ignored (RFC 9110 section 7.8).
 */
export function isUpgrade({ headers }: Request): boolean {
  return listsToken(headers.get("upgrade"), "websocket") && listsToken(headers.get("connection"), "upgrade");
}

/**
 * Refuses a WebSocket handshake on the path whose Upgrade header was lost, as by a proxy that was not told to pass it on.
 * Undefined for any other request.
 */
export function refuseLostUpgrade(request: Request, path: string | undefined): Response | undefined {
  const { headers, url } = request;
  if (!headers.has("sec-websocket-key") || headers.has("upgrade") || checkHostHeader(request)) return undefined;
  if (path !== undefined && new URL(url).pathname !== path) return undefined;
  return refuse(426, LOST, { upgrade: "websocket", connection: "Upgrade" });
}

const LOST = "this is a WebSocket endpoint: let the proxy before it pass on the headers Upgrade and Connection";

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
