/**
 * meshsocket on Deno: `serve` is `node:http` with our own frame reader, as on Node; `upgradeHandler` is for `deno serve` and `Deno.serve`.
 *
 * @module
 */
import type { DistHub } from "../src/distributed/dist-hub.ts";
import type { Hub } from "../src/hub/hub.ts";
import type { RpcListener, RpcOptions, ServeOptions, Server } from "../src/hub/serve-options.ts";
import type { DenoServeInfo } from "./deno/engine.ts";
import { upgrade } from "./deno/upgrade.ts";
import {
  checkHostHeader,
  checkHub,
  checkUpgradeOptions,
  isUpgrade,
  isUpgradeFor,
  refuseLostUpgrade,
  UPGRADE_OPTIONS,
  type UpgradeOptions,
} from "./shared/upgrade-options.ts";
import { listenOn, rpcStarter } from "./shared/listen.ts";
import { warnUncompressed } from "./shared/warn-uncompressed.ts";
import { serveHttp } from "./ws/serve.ts";

export type { DenoServeInfo } from "./deno/engine.ts";
export { localAddress } from "../src/base/local-address.ts";
export type { UpgradeOptions } from "./shared/upgrade-options.ts";
export { attach } from "./ws/attach.ts";
export { attachApp, type FetchApp } from "./ws/attach-app.ts";
export type { OnUpgrade, UpgradeServer } from "./ws/upgrade.ts";

/** The result of {@link upgradeHandler}. */
export interface UpgradeHandler {
  /** Answers an upgrade on the path; undefined for any other request. */
  fetch(request: Request, info: DenoServeInfo): Promise<Response | undefined>;
}

/**
 * Takes WebSocket upgrades for a hub in `deno serve` or `Deno.serve`.
 *
 * `fetch` composes: if it resolves with undefined, the application answers the request; return a Response of its as it is.
 * Deno's own server has no size limit (a message is measured when it is there), cannot cut a connection (`terminate`
 * starts a close and treats the client as gone) and accepts some frames that break the protocol: `serve` has all that.
 * Throws a TypeError (`invalid_argument`) for bad options.
 */
export function upgradeHandler<Data = unknown>(hub: Hub<Data>, options: UpgradeOptions<Data>): UpgradeHandler {
  checkHub("upgradeHandler(hub, { path, session })", hub);
  checkUpgradeOptions<UpgradeOptions>("upgradeHandler(hub, { path, session })", options, UPGRADE_OPTIONS);
  warnUncompressed(hub, "Deno.upgradeWebSocket");
  return {
    async fetch(request, info) {
      if (!isUpgrade(request)) return refuseLostUpgrade(request, options.path);
      const refusal = checkHostHeader(request);
      if (refusal) return refusal;
      if (!isUpgradeFor(request, options.path)) return undefined;
      return await upgrade(request, info, hub.limits, (copy, context) => hub.admit(copy, options.session, context));
    },
  };
}

/**
 * Serves a hub's clients, and whatever else `fetch` answers, on one port; resolves once it takes connections.
 *
 * Rejects with a TypeError (`invalid_argument`) for bad options and with a MeshError (`unavailable`) when it cannot listen.
 *
 * ```ts
 * import { serve } from "meshsocket/deno";
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
