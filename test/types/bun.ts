/**
 * Bun's real types stand where the Bun adapter names its own: checked by `npm run check -- types`, never run.
 */
import { serve, type UpgradeHandler, upgradeHandler } from "../../adapters/bun.ts";
import type { BunEngine, BunListener, BunServer, BunWebSocket } from "../../adapters/bun/engine.ts";
import type { BunSocket } from "../../adapters/bun/socket.ts";
import { Hub } from "../../src/index.ts";

/** What our engine expects, given what Bun has. */
export const server = (real: Bun.Server<BunSocket>): BunServer<BunSocket> => real;
export const listener = (real: Bun.Server<BunSocket>): BunListener<BunSocket> => real;
export const socket = (real: Bun.ServerWebSocket<BunSocket>): BunWebSocket<BunSocket> => real;
export const engine = (real: typeof Bun): BunEngine<BunSocket> => real;

/** What an application writes: our handler in its own `Bun.serve`, and in `export default`. */
const handler: UpgradeHandler = upgradeHandler(new Hub(), { session: () => ({}) });

export const own: Bun.Server<BunSocket> = Bun.serve<BunSocket>({
  port: 0,
  fetch: async (request, bun) => (await handler.fetch(request, bun)) ?? new Response("your app"),
  websocket: handler.websocket,
});

/** Whose sockets' data has no declared type. */
export const inferred: Bun.Server<BunSocket> = Bun.serve({
  port: 0,
  fetch: async (request, bun) => (await handler.fetch(request, bun)) ?? new Response("your app"),
  websocket: handler.websocket,
});

export const exported: Bun.Serve.Options<BunSocket> = {
  fetch: async (request, bun) => (await handler.fetch(request, bun)) ?? new Response("your app"),
  websocket: handler.websocket,
};

export const started: Promise<{ port: number }> = serve(new Hub(), { port: 0, session: () => ({ id: "alice" }) });
