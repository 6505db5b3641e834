/** Guarantee 10 while clients move at random and nodes lose their leases. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type MeshWebSocket } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { Delivery } from "../../src/send/verbs.ts";
import { flakyWebSocket } from "../kit/flaky-web-socket.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { longRun, Random, runSeed } from "../kit/random.ts";
import { until } from "../kit/until.ts";
import { areApart, isAccepted, ResumeHistory } from "../kit/resume-check.ts";

const IDS: readonly string[] = Array.from({ length: 12 }, (_, index) => `c${index}`);
const SENDS = longRun ? 20_000 : 250;
const TOPIC = "all";

/** All that a run sees, and the numbers that decide about it. */
interface Run {
  readonly nodes: readonly MemoryNode[];
  readonly random: Random;
  readonly history: ResumeHistory;
  /** The clients that resumed at least once. */
  readonly resumed: Set<string>;
  /** By host, how many messages its node sent. */
  readonly sends: Map<string, number>;
}

/** A client whose connections break after a few frames, and lead to any node. */
function mover(id: string, { nodes, random, history, resumed }: Run): MeshWebSocket {
  const session = () => ({
    id,
    async onConnect(client: { subscribe(topic: string): Promise<void>; emit(message: string): Promise<boolean> }) {
      await client.subscribe(TOPIC);
      await client.emit(`welcome ${id}`);
    },
  });
  const faults = { next: () => ({ there: 1 + random.below(30), back: 1 + random.below(40) }) };
  const anyHub = (): Hub => {
    const { host, hub } = random.pick(nodes);
    history.note(id, `to ${host}`);
    return hub;
  };
  const WebSocket = flakyWebSocket(anyHub, session, faults);
  const ws = connect("ws://memory/", { WebSocket, minDelayMs: 1, maxDelayMs: 20 });
  ws.addEventListener("open", () => history.opened(id));
  ws.addEventListener("resumed", () => {
    history.resumed(id);
    resumed.add(id);
  });
  ws.addEventListener("lost", ({ why }) => history.lost(id, why));
  ws.addEventListener("away", () => history.note(id, "away"));
  ws.addEventListener("message", ({ data }) => history.got(id, String(data)));
  return ws;
}

/** Awaits one message after the other, of every kind, at least until every client resumed. */
async function sendAll(node: MemoryNode, run: Run): Promise<void> {
  const { random, resumed } = run;
  for (let number = 1; number <= SENDS || resumed.size < IDS.length; number++) {
    assert.ok(number < 100 * SENDS, `only ${[...resumed].join()} resumed`);
    const id = random.below(3) === 0 ? random.pick(IDS) : undefined;
    await record(node, run, id, (hub, message) => send(hub, id, message, random));
    if (random.below(4) === 0) await sleep(random.below(10));
  }
}

/** Has every client acknowledge one more message of the node: what came before it is missing by then, or never. */
async function sendLast(node: MemoryNode, run: Run): Promise<void> {
  for (const id of IDS) {
    const confirmed = (hub: Hub, message: string): Promise<boolean> => hub.emit(id, message, { confirm: true });
    await until(`${id} to have the last message`, () => record(node, run, id, confirmed));
  }
}

/**
 * Sends the node's next message, and writes it down; resolves with whether it was accepted.
 *
 * A message to all is accepted if as many clients were counted. A client on two nodes may be counted twice, and another one not.
 */
async function record(
  { host, hub }: MemoryNode,
  { nodes, history, sends }: Run,
  id: string | undefined,
  sending: (hub: Hub, message: string) => Promise<boolean | Delivery>,
): Promise<boolean> {
  const number = (sends.get(host) ?? 0) + 1;
  sends.set(host, number);
  const message = `${host} ${number}`;
  const wereApart = areApart(idsOf(nodes));
  const started = { startedAt: history.tick(), sentAtMs: Date.now(), accepted: false };
  const log = { message, sender: host, number, id, ...started };
  history.sendsOfNodes.push(log);
  try {
    const outcome = await sending(hub, message);
    const accepted = isAccepted(outcome, IDS.length) && (id !== undefined || (wereApart && areApart(idsOf(nodes))));
    Object.assign(log, { outcome: JSON.stringify(outcome), answeredAtMs: Date.now(), accepted });
  } catch {
    // A node without its lease, or that cannot reach another one, may fail.
  }
  return log.accepted;
}

function idsOf(nodes: readonly MemoryNode[]): string[] {
  return nodes.flatMap(({ hub }) => [...hub].map(({ id }) => id));
}

function send(hub: Hub, id: string | undefined, message: string, random: Random): Promise<boolean | Delivery> {
  if (id !== undefined) return hub.emit(id, message);
  return random.below(2) === 0 ? hub.publish(TOPIC, message) : hub.broadcast(message);
}

/** Slow lines, and nodes that lose the storage for longer than their lease, until `signal` is aborted. */
async function strike(cluster: MemoryCluster, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { host } = random.pick(cluster.nodes);
    cluster.delay(host, random.below(40));
    if (random.below(4) === 0) cluster.silenced.add(host);
    await sleep(random.below(400));
    cluster.silenced.delete(host);
    cluster.delay(host, 0);
  }
}

test("nothing is missing, doubled or out of order, however clients move, and even if nodes take other lives", async () => {
  await using cluster = new MemoryCluster();
  const random = new Random(runSeed);
  const history = new ResumeHistory();
  const nodes = await threeNodes(cluster, { logger: silentLogger, leaseMs: 300 });
  for (const { hub } of nodes) {
    hub.on("lost", ({ client, undelivered }) => {
      for (const message of undelivered) history.givenBack(client.id, String(message));
    });
  }
  const run: Run = { nodes, random, history, resumed: new Set(), sends: new Map() };
  const movers = IDS.map((id) => mover(id, run));
  const over = new AbortController();
  const striking = strike(cluster, random, over.signal);
  try {
    await Promise.all(nodes.map((node) => sendAll(node, run)));
    over.abort();
    await striking;
    await until("no client to be on two nodes", () => areApart(idsOf(nodes)));
    await Promise.all(nodes.map((node) => sendLast(node, run)));
  } finally {
    over.abort();
    for (const ws of movers) ws.close();
  }
  await Promise.all(nodes.map(({ hub }) => hub.close()));
  assert.deepEqual(history.verdict(false).broken, [], `seed ${runSeed}`);
});
