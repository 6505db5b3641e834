/** One node of a cluster in a process of its own, on the runtime that runs this file; driven over stdin by node-process.ts. */
import process from "node:process";
import { clusterNode, DistHub } from "../../src/distributed/dist-hub.ts";
import { errorCode } from "../../src/base/error.ts";
import type { Json } from "../../src/base/json.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import type { Session } from "../../src/client/session.ts";
import { RedisHistory } from "../../src/history/redis.ts";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { spoil, spoilHistory, spoilResume, spoilStorage } from "./defects.ts";
import { usedHeapBytes } from "./heap.ts";
import { setClock } from "./wall-clock.ts";
import {
  fromLine,
  linesOf,
  type NodeEvent,
  type NodeSetup,
  type NodeStatus,
  type Order,
  type Outcome,
  type Report,
  toLine,
  type VerbCall,
} from "./node-control.ts";
import { runtime } from "./runtime.ts";
import { loadServe } from "./servers.ts";

function say(report: Report): void {
  process.stdout.write(toLine(report));
}

function happened(event: NodeEvent): void {
  say({ say: "event", event });
}

function problem(what: string, error: unknown): void {
  say({ say: "problem", text: `${what}: ${textOf(error)}` });
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// Whoever listened is gone: to say so would fail in the same way, forever.
process.stdout.on("error", () => process.exit(1));
process.on("uncaughtException", (error) => problem("uncaught", error));
process.on("unhandledRejection", (error) => problem("unhandled", error));

/** The id is JSON in the query, so that it can be anything; `topics`, `info` and `user` too. */
function session(request: Request): Session {
  const query = new URL(request.url).searchParams;
  const id = query.get("id");
  const topics = JSON.parse(query.get("topics") ?? "[]") as string[];
  const info = query.get("info");
  const askable = request.headers.get("sec-websocket-protocol")?.includes(V1_PROTOCOL) === true;
  const user = query.get("user");
  return {
    user: user === null ? undefined : (JSON.parse(user) as string),
    info: info === null ? undefined : (JSON.parse(info) as Json),
    protocol: askable ? V1_PROTOCOL : undefined,
    onSubscribe: () => true,
    id: id === null ? undefined : (JSON.parse(id) as string),
    async onConnect(client) {
      if (topics.length > 0) await client.subscribe(topics);
      happened({ type: "connect", id: client.id });
      await client.emit(`welcome ${client.id}`);
    },
    async onEvent({ id: from }, message) {
      happened({ type: "event", id: from, message });
      if (String(message).includes("slow ")) await new Promise((resolve) => setTimeout(resolve, 200));
    },
    onDisconnect: ({ id: gone }, code, reason) => happened({ type: "disconnect", id: gone, code, reason }),
    onError: ({ id: of }, error) => happened({ type: "error", id: of, message: error.message }),
  };
}

function outcome(call: Promise<unknown>): Promise<Outcome> {
  return call.then(
    (value) => ({ value }),
    (error: unknown) => ({
      code: errorCode(error) ?? "none",
      message: error instanceof Error ? error.message : String(error),
    }),
  );
}

async function callAll(hub: DistHub, calls: readonly VerbCall[], perTurn: number): Promise<Outcome[]> {
  const outcomes: Promise<Outcome>[] = [];
  for (const [index, [verb, ...args]] of calls.entries()) {
    if (index > 0 && index % perTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    const method = hub[verb] as (this: DistHub, ...args: unknown[]) => Promise<unknown>;
    outcomes.push(outcome(method.apply(hub, args)));
  }
  return await Promise.all(outcomes);
}

function statusOf(hub: DistHub): NodeStatus {
  const { status, size } = hub;
  const { holder } = clusterNode(hub).cluster;
  const nodes = hub.nodes().map(({ host }) => host);
  const rssBytes = process.memoryUsage().rss;
  const ids = Array.from(hub, ({ id }) => id);
  return { status, size, ids, topics: hub.topics(), holder, nodes, rssBytes, lagMs: Math.max(...lags) };
}

async function callClient(hub: DistHub, { id, verb, args }: Extract<Order, { do: "client" }>): Promise<unknown> {
  const client = hub.client(id);
  if (!client) throw new Error(`this node has no client ${id}`);
  const [first = "", second = ""] = args;
  if (verb === "publish") return await client.publish(first, second);
  return await (verb === "broadcast" ? client.broadcast(first) : client.request(first));
}

async function watch(hub: DistHub, topic: string): Promise<void> {
  await hub.watchPresence(topic, { onEvent: (event) => happened({ type: "presence", topic, event }) }).ready;
}

function stall(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

const LAG_BEAT_MS = 50;
const LAG_BEATS = 60;
const lags: number[] = [0];
let beatAtMs = performance.now();

setInterval(() => {
  const now = performance.now();
  lags.push(now - beatAtMs - LAG_BEAT_MS);
  if (lags.length > LAG_BEATS) lags.shift();
  beatAtMs = now;
}, LAG_BEAT_MS);

function openStorage(setup: NodeSetup["storage"]): Storage {
  if (!("endpoints" in setup)) {
    const { url, token, prefix } = setup;
    return new RedisStorage(token === undefined ? url : { url, token }, prefix);
  }
  return new EtcdStorage({ endpoints: setup.endpoints }, setup.prefix);
}

async function obey(hub: DistHub, order: Order): Promise<unknown> {
  switch (order.do) {
    case "call":
      return await callAll(hub, order.calls, order.perTurn);
    case "client":
      return await outcome(callClient(hub, order));
    case "watch":
      return await watch(hub, order.topic);
    case "status":
      return statusOf(hub);
    case "audit":
      return await hub.audit();
    case "heap":
      return usedHeapBytes();
    case "clock":
      return setClock(order.aheadMs);
    case "stall":
      return stall(order.ms);
    default:
      return await hub.close({ drainMs: order.drainMs });
  }
}

function makeHub({ storage: setup, defect, hub: options }: NodeSetup): DistHub {
  const storage = spoilStorage(openStorage(setup), defect);
  const logger = {
    debug() {},
    info() {},
    warn() {},
    error: (text: string, error: unknown) => say({ say: "logged", text: `${text}: ${textOf(error)}` }),
  };
  const kept = "history" in setup && setup.history !== undefined
    ? new RedisHistory(setup.history, setup.prefix)
    : undefined;
  const hub = new DistHub({ ...options, storage, logger, ...(kept ? { history: kept } : {}) });
  hub.on("nodejoin", ({ node }) => happened({ type: "nodejoin", host: node.host }));
  hub.on("nodeleave", ({ node }) => happened({ type: "nodeleave", host: node.host }));
  hub.on("lost", ({ client: { id }, undelivered }) => happened({ type: "lost", id, undelivered }));
  hub.on("ready", () => happened({ type: "ready" }));
  hub.on("degraded", () => happened({ type: "degraded" }));
  hub.on("drained", () => happened({ type: "drained" }));
  hub.on("close", () => happened({ type: "closed" }));
  return hub;
}

async function main(): Promise<void> {
  const lines = linesOf(process.stdin)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) return;
  const setup = fromLine(first.value) as NodeSetup;
  if (setup.clockAheadMs !== undefined) setClock(setup.clockAheadMs);
  const serve = await loadServe();
  try {
    spoilResume(setup.defect);
    spoilHistory(setup.defect);
    const hub = makeHub(setup);
    const server = await serve(hub, {
      port: 0,
      hostname: "127.0.0.1",
      path: "/ws",
      session,
      rpc: setup.rpc,
      publicRpc: setup.publicRpc,
    });
    spoil(hub, setup.defect);
    say({ say: "ready", runtime, url: server.url, host: server.rpc?.host ?? "", port: server.rpc?.port ?? 0 });
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const order = fromLine(line.value) as Order;
      obey(hub, order).then(
        (result) => say({ say: "done", number: order.number, result }),
        (error: unknown) => problem(`"${order.do}" failed`, error),
      );
    }
  } catch (error) {
    say({
      say: "failed",
      code: errorCode(error) ?? "none",
      message: error instanceof Error ? error.message : String(error),
    });
  }
}

await main();
// Nobody is left who could end it.
process.exit(0);
