/**
 * Three nodes of one cluster on this machine, one on Node, one on Bun and one on Deno, and a page with a pane for each.
 *
 *   npm run demo
 *
 * `PORT` is the port of the page; without it 8080, or any free one when that is taken. Ctrl-C ends all of it.
 */
import { randomUUID } from "node:crypto";
import process from "node:process";
import { assets } from "../demo/assets.ts";
import { MeshError } from "../src/base/error.ts";
import { Hub } from "../src/hub/hub.ts";
import type { Server } from "../src/hub/serve-options.ts";
import type { DemoNode } from "./demo-node.ts";
import { type DemoStorage, startDemoStorage } from "./demo-storage.ts";
import { startDemoNodes, type StartedNode } from "./demo-nodes.ts";
import { stopOnSignal } from "./stop.ts";
import { serve } from "./this-runtime.ts";

const DEFAULT_PORT = 8080;
const HOSTNAME = "127.0.0.1";
const VISITORS = ["alice", "bob", "carol"];

/** A node is dead for the others so long after it was killed. */
const LEASE_MS = "3000";

/** A node, as the page shows it. */
export interface Pane extends DemoNode {
  /** The first visitor. */
  readonly visitor: string;
  readonly running: boolean;
}

/** The state of the demo that the page shows: `panes.json`. */
export interface DemoState {
  readonly storage: string;
  readonly panes: readonly Pane[];
}

let storage: DemoStorage | undefined;
let nodes: StartedNode[] = [];
let page: Server | undefined;

stopOnSignal({ stop: stopAll });
try {
  await startAll();
} catch (error) {
  console.error(`the demo cannot start: ${error instanceof Error ? error.message : String(error)}`);
  await stopAll();
  process.exit(1);
}

async function startAll(): Promise<void> {
  const port = wantedPort(process.env["PORT"]);
  const token = randomUUID();
  storage = await startDemoStorage(token);
  console.log(`storage  ${storage.description}`);
  nodes = await startDemoNodes({
    PORT: "0",
    HOST: HOSTNAME,
    RPC_HOST: HOSTNAME,
    MESHSOCKET_LEASE_MS: LEASE_MS,
    MESHSOCKET_STORAGE_URL: storage.url,
    MESHSOCKET_STORAGE_TOKEN: token,
    MESHSOCKET_SECRET: randomUUID(),
  });
  for (const { runtime, version, url, host, pid } of nodes.map(({ node }) => node)) {
    console.log(`${`${runtime} ${version}`.padEnd(13)} ${url}  node ${host}  pid ${pid}`);
  }
  page = await servePage(port);
  console.log(`open ${page.url} (Ctrl-C ends the demo)`);
}

function wantedPort(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new Error(`PORT must be a whole number from 0 to 65535, not ${JSON.stringify(text)}`);
}

async function servePage(port: number | undefined): Promise<Server> {
  if (port !== undefined) return await servePageOn(port);
  try {
    return await servePageOn(DEFAULT_PORT);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    console.log(`port ${DEFAULT_PORT} is taken: the page gets another one`);
    return await servePageOn(0);
  }
}

async function servePageOn(port: number): Promise<Server> {
  const files = assets(
    ["panes.html", "panes.css", "panes.js", "theme.css", "page.html", "page.css", "page.js"],
    { client: true, frames: true, paths: { chat: "page.html" } },
  );
  return await serve(new Hub(), {
    port,
    hostname: HOSTNAME,
    session: () => new Response("the nodes have pages of their own", { status: 404 }),
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/panes.json") return Response.json(state());
      return files(request) ?? (await power(request, pathname)) ?? new Response("not found", { status: 404 });
    },
  });
}

function state(): DemoState {
  const panes = nodes.map(({ node, running }, index): Pane => ({
    ...node,
    running,
    visitor: VISITORS[index] ?? "guest",
  }));
  return { storage: storage?.description ?? "", panes };
}

/** Kills a node, or starts it again: `POST /nodes/Bun/kill`, from our own page alone. */
async function power(request: Request, pathname: string): Promise<Response | undefined> {
  const [, runtime, what] = /^\/nodes\/(\w+)\/(kill|start)$/.exec(pathname) ?? [];
  const found = nodes.find(({ node }) => node.runtime === runtime);
  if (!found || request.method !== "POST") return undefined;
  if (request.headers.get("origin") !== new URL(request.url).origin) return new Response("forbidden", { status: 403 });
  await (what === "kill" ? found.kill() : found.start());
  return Response.json(state());
}

/** The nodes leave the cluster while they still have their storage. */
async function stopAll(): Promise<void> {
  await page?.close();
  await Promise.all(nodes.map((node) => node.stop()));
  await storage?.stop();
}
