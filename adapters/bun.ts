/**
 * meshsocket on Bun: its own WebSocket server.
 *
 * @module
 */
import { appFetch } from "./shared/app-fetch.ts";
import { invalidArgument } from "../src/base/error.ts";
import type { DistHub } from "../src/distributed/dist-hub.ts";
import type { Hub } from "../src/hub/hub.ts";
import type { RpcListener, RpcOptions, ServeOptions, Server } from "../src/hub/serve-options.ts";
import type { BunEngine, BunListener, BunServer, BunWebSocketHandler } from "./bun/engine.ts";
import { type BunSocket, websocket } from "./bun/socket.ts";
import { upgrade } from "./bun/upgrade.ts";
import { listenOn, rpcStarter } from "./shared/listen.ts";
import { type OpenPort, start } from "./shared/start.ts";
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

export type { BunServer, BunWebSocket, BunWebSocketHandler } from "./bun/engine.ts";
export { type BunSocket, websocket } from "./bun/socket.ts";
export { localAddress } from "../src/base/local-address.ts";
export type { UpgradeOptions } from "./shared/upgrade-options.ts";

/** How long requests that are under way may take after the hub is drained. */
const STOP_TIMEOUT_MS = 2_000;
/** How long a connection may be still. */
const IDLE_TIMEOUT_SECONDS = 255;

/** The result of {@link upgradeHandler}: parts for `Bun.serve` or `export default`. */
export interface UpgradeHandler {
  /** Answers an upgrade on the path; undefined for any other request. */
  fetch(request: Request, server: BunServer<BunSocket>): Promise<Response | undefined>;
  /** The `websocket` of `Bun.serve`. */
  readonly websocket: BunWebSocketHandler<unknown>;
}

/**
 * Takes WebSocket upgrades for a hub in a server that the application brought.
 *
 * `fetch` composes: what it leaves undefined is the application's to answer, and a Response it gives is to be returned.
 * Throws a TypeError (`invalid_argument`) for bad options.
 */
export function upgradeHandler<Data = unknown>(hub: Hub<Data>, options: UpgradeOptions<Data>): UpgradeHandler {
  checkHub("upgradeHandler(hub, { path, session })", hub);
  checkUpgradeOptions<UpgradeOptions>("upgradeHandler(hub, { path, session })", options, UPGRADE_OPTIONS);
  return handlerFor(hub, options);
}

function handlerFor<Data>(hub: Hub<Data>, options: Pick<UpgradeOptions<Data>, "path" | "session">): UpgradeHandler {
  return {
    websocket: websocket(hub),
    async fetch(request, server) {
      if (!isUpgrade(request)) return refuseLostUpgrade(request, options.path);
      const refusal = checkHostHeader(request);
      if (refusal) return refusal;
      if (!isUpgradeFor(request, options.path)) return undefined;
      return await upgrade(request, server, (upgrading, context) => hub.admit(upgrading, options.session, context));
    },
  };
}

/**
 * Serves a hub's clients, and whatever else `fetch` answers, on one port; resolves once it takes connections.
 *
 * Rejects with a TypeError (`invalid_argument`) for bad options and with a MeshError (`unavailable`) when it cannot listen.
 *
 * ```ts
 * import { serve } from "meshsocket/bun";
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
  return start(hub, options, {
    startRpc: rpcStarter(),
    async openPort(hostname, port) {
      const { Bun } = globalThis as unknown as { Bun?: BunEngine<BunSocket> };
      if (!Bun) throw invalidArgument("meshsocket/bun runs on Bun: import meshsocket/node or meshsocket/deno here");
      const handler = handlerFor(hub, options);
      const app = appFetch(hub, options);
      const plain = (request: Request): Response | Promise<Response> => checkHostHeader(request) ?? app(request);
      const server = Bun.serve({
        port,
        hostname,
        // The longest that Bun has: by default it would cut a quiet stream after 10 seconds, and with 0 never close a connection
        // that asks nothing. WebSockets have a time of their own.
        idleTimeout: IDLE_TIMEOUT_SECONDS,
        ...(options.tls && { tls: { cert: options.tls.cert, key: options.tls.key } }),
        fetch: async (request, engine) => (await handler.fetch(request, engine)) ?? (await plain(withHost(request))),
        websocket: handler.websocket,
      });
      return { port: server.port ?? port, hostname, stop: () => stop(server) } satisfies OpenPort;
    },
  });
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

/** A probe over HTTP/1.0 may have no Host, and Bun then gives its path as the URL: it is completed as on Node. */
function withHost(request: Request): Request {
  if (request.headers.has("host") || !request.url.startsWith("/")) return request;
  return new Request(`http://localhost${request.url}`, request);
}

async function stop(server: BunListener<BunSocket>): Promise<void> {
  const timer = setTimeout(() => void server.stop(true), STOP_TIMEOUT_MS);
  await server.stop();
  clearTimeout(timer);
}
