/**
 * meshsocket on Node: a frame reader of its own on `node:http`.
 *
 * @module
 */
import "../src/base/check/check-node.ts";
import type { DistHub } from "../src/distributed/dist-hub.ts";
import type { Hub } from "../src/hub/hub.ts";
import type { RpcListener, RpcOptions, ServeOptions, Server } from "../src/hub/serve-options.ts";
import { listenOn, rpcStarter } from "./shared/listen.ts";
import { serveHttp } from "./ws/serve.ts";

export { localAddress } from "../src/base/local-address.ts";
export type { UpgradeOptions } from "./shared/upgrade-options.ts";
export { attach } from "./ws/attach.ts";
export { attachApp, type FetchApp } from "./ws/attach-app.ts";
export type { OnUpgrade, UpgradeServer } from "./ws/upgrade.ts";

/**
 * Serves a hub's clients, and whatever else `fetch` answers, on one port; resolves once it takes connections.
 *
 * Rejects with a TypeError (`invalid_argument`) for bad options and with a MeshError (`unavailable`) when it cannot listen.
 *
 * ```ts
 * import { serve } from "meshsocket/node";
 *
 * const server = await serve(hub, {
 *   port: 8080,
 *   path: "/ws",
 *   session: (request) => ({ id: new URL(request.url).searchParams.get("name") ?? undefined }),
 *   fetch: () => new Response("hello"),
 * });
 * console.log(server.url);
 * ```
 */
export function serve<Data = unknown>(hub: Hub<Data>, options: ServeOptions<Data>): Promise<Server> {
  return serveHttp(hub, options, rpcStarter());
}

/**
 * Opens the RPC port of a DistHub and joins its cluster, for an application that brings its own server.
 *
 * Await it before that server takes clients. Rejects with `failed_precondition` when the port would be open to other
 * machines and the hub has no secret, and with `unavailable` when the port or the storage cannot be had.
 */
export function listen<Data = unknown>(hub: DistHub<Data>, rpc?: RpcOptions): Promise<RpcListener> {
  return listenOn(hub, rpc);
}
