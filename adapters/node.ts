/**
 * meshsocket on Node: `ws` on `node:http`.
 *
 * @module
 */
import type { Hub } from "../src/hub.ts";
import type { ServeOptions, Server } from "../src/serve.ts";
import { serveWs } from "./ws/serve.ts";

export { localAddress } from "../src/local-address.ts";
export type { UpgradeOptions } from "./upgrade-options.ts";
export { attach } from "./ws/attach.ts";
export { attachApp, type FetchApp } from "./ws/attach-app.ts";
export type { OnUpgrade, UpgradeServer } from "./ws/upgrade.ts";

/**
 * Serves a hub's clients, and whatever else `fetch` answers, on one port; resolves once it takes connections.
 *
 * Rejects with a TypeError (`invalid_argument`) for bad options and with a MeshError (`unavailable`) when it cannot listen.
 */
export function serve<Data = unknown>(hub: Hub<Data>, options: ServeOptions<Data>): Promise<Server> {
  return serveWs(hub, options);
}
