import { type AddressInfo, connect } from "node:net";
import { createServer, type Server as HttpServer } from "node:http";
import { serve as serveHono } from "@hono/node-server";
import { Hono } from "hono";
import { upgrade, websocket } from "../../adapters/hono.ts";
import type { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { RpcListener, RpcOptions, ServeOptions, Server } from "../../src/hub/serve-options.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { runtime } from "./runtime.ts";

/** A server that a test started for a hub. */
export interface TestServer {
  readonly port: number;
  /** Stops what `hub.close()` does not. */
  stop(): Promise<void>;
}

/** One way in which a hub can be served on this runtime. */
export interface Way {
  readonly name: string;
  /** Serves upgrades on `/ws`, and "app" elsewhere. */
  start<Data>(hub: Hub<Data>, session: SessionFactory<Data>): Promise<TestServer>;
}

type Serve = <Data>(hub: Hub<Data>, options: ServeOptions<Data>) => Promise<Server>;

/** The `serve` of this runtime. */
export async function loadServe(): Promise<Serve> {
  if (runtime === "bun") return (await import("../../adapters/bun.ts")).serve;
  if (runtime === "deno") return (await import("../../adapters/deno.ts")).serve;
  return (await import("../../adapters/node.ts")).serve;
}

type Listen = <Data>(hub: DistHub<Data>, rpc?: RpcOptions) => Promise<RpcListener>;

/** The `listen` of this runtime. */
export async function loadListen(): Promise<Listen> {
  if (runtime === "bun") return (await import("../../adapters/bun.ts")).listen;
  if (runtime === "deno") return (await import("../../adapters/deno.ts")).listen;
  return (await import("../../adapters/node.ts")).listen;
}

type Fetch = (request: Request, env: never) => Response | Promise<Response>;

/** What the tests use of the globals of Bun and Deno. */
interface Natives {
  Bun: {
    serve(options: { port: number; hostname: string; fetch: Fetch; websocket: unknown }): {
      port: number;
      stop(force: boolean): Promise<void>;
    };
  };
  Deno: {
    serve(options: { port: number; hostname: string; onListen(): void }, fetch: Fetch): {
      addr: { port: number };
      shutdown(): Promise<void>;
    };
  };
}

const natives = globalThis as unknown as Natives;

/** Serves a fetch handler with Bun's own server. */
export function serveBun(fetch: Fetch, handlers: unknown): TestServer {
  const server = natives.Bun.serve({ port: 0, hostname: "127.0.0.1", fetch, websocket: handlers });
  return { port: server.port, stop: () => server.stop(true) };
}

function serveDeno(fetch: Fetch): TestServer {
  const server = natives.Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, fetch);
  return { port: server.addr.port, stop: () => server.shutdown() };
}

/** Waits until a `node:http` server listens. */
export async function serveNode(server: HttpServer): Promise<TestServer> {
  if (!server.listening) {
    await new Promise<void>((resolve) => server.listening ? resolve() : server.once("listening", () => resolve()));
  }
  const { port } = server.address() as AddressInfo;
  return {
    port,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function startServe<Data>(hub: Hub<Data>, session: SessionFactory<Data>): Promise<TestServer> {
  const serve = await loadServe();
  const server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    path: "/ws",
    session,
    fetch: () => new Response("app"),
  });
  return { port: server.port, stop: async () => {} };
}

async function startOwn<Data>(hub: Hub<Data>, session: SessionFactory<Data>): Promise<TestServer> {
  const options = { path: "/ws", session };
  if (runtime === "bun") {
    const { upgradeHandler } = await import("../../adapters/bun.ts");
    const handler = upgradeHandler(hub, options);
    return serveBun(
      async (request, server) => (await handler.fetch(request, server)) ?? new Response("app"),
      handler.websocket,
    );
  }
  if (runtime === "deno") {
    const { upgradeHandler } = await import("../../adapters/deno.ts");
    const handler = upgradeHandler(hub, options);
    return serveDeno(async (request, info) => (await handler.fetch(request, info)) ?? new Response("app"));
  }
  const { attach } = await import("../../adapters/node.ts");
  const server = createServer((_, response) => void response.end("app"));
  attach(hub, server, options);
  return serveNode(server.listen(0, "127.0.0.1"));
}

async function startHono<Data>(hub: Hub<Data>, session: SessionFactory<Data>): Promise<TestServer> {
  const app = new Hono();
  app.use(async (c, next) => {
    c.header("x-middleware", "ran");
    await next();
  });
  app.get("/ws", upgrade(hub, (c, info) => session(c.req.raw, info)));
  app.get("*", (c) => c.text("app"));
  return await serveApp(hub, app);
}

/** Serves a Hono app whose routes upgrade to a hub. */
export async function serveApp<Data>(hub: Hub<Data>, app: Hono): Promise<TestServer> {
  if (runtime === "bun") return serveBun(app.fetch, websocket(hub));
  if (runtime === "deno") return serveDeno(app.fetch);
  const { attachApp } = await import("../../adapters/node.ts");
  const server = serveHono({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", overrideGlobalObjects: false });
  attachApp(app, server);
  return serveNode(server as HttpServer);
}

/** Every way in which a hub can be served on this runtime; the names are the same on all. */
export const ways: readonly Way[] = [
  { name: "serve", start: startServe },
  { name: "own server", start: startOwn },
  { name: "hono", start: startHono },
];

/** Whether something takes connections on the port. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
