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

/** A node, as the page shows it. */
export interface Pane extends DemoNode {
  /** The first visitor. */
  readonly visitor: string;
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
    MESHSOCKET_STORAGE_URL: storage.url,
    MESHSOCKET_STORAGE_TOKEN: token,
    MESHSOCKET_SECRET: randomUUID(),
  });
  for (const { runtime, version, url, host, pid } of nodes) {
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
  const panes = nodes.map((node, index): Pane => ({ ...node, visitor: VISITORS[index] ?? "guest" }));
  const files = assets(["panes.html", "panes.css", "panes.js", "theme.css"], { frames: nodes.map(({ url }) => url) });
  return await serve(new Hub(), {
    port,
    hostname: HOSTNAME,
    session: () => new Response("the nodes have pages of their own", { status: 404 }),
    fetch(request) {
      if (new URL(request.url).pathname !== "/panes.json") {
        return files(request) ?? new Response("not found", { status: 404 });
      }
      return Response.json({ storage: storage?.description, panes });
    },
  });
}

/** The nodes leave the cluster while they still have their storage. */
async function stopAll(): Promise<void> {
  await page?.close();
  await Promise.all(nodes.map((node) => node.stop()));
  await storage?.stop();
}
