/** Guarantee 10 while clients move at random and nodes lose their leases: what one node sends comes once and in order, within one life of a client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { flakyWebSocket } from "../kit/flaky-web-socket.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { longRun, Random, runSeed } from "../kit/random.ts";

const CLIENTS = 12;
const SENDS = longRun ? 20_000 : 250;
const TOPIC = "all";

/** A client that moves between the nodes, and the last number of each of them that it got. */
class Mover {
  readonly broken: string[] = [];
  resumes = 0;
  readonly #newest = new Map<string, number>();
  readonly #id: string;
  readonly #socket: ReturnType<typeof connect>;

  constructor(id: string, nodes: readonly MemoryNode[], random: Random) {
    this.#id = id;
    const session = () => ({
      id,
      onConnect: (client: { subscribe(topic: string): Promise<void> }) => client.subscribe(TOPIC),
    });
    const faults = { next: () => ({ there: 1 + random.below(30), back: 1 + random.below(40) }) };
    const WebSocket = flakyWebSocket((): Hub => random.pick(nodes).hub, session, faults);
    this.#socket = connect("ws://memory/", { WebSocket, minDelayMs: 1, maxDelayMs: 20 });
    this.#socket.addEventListener("resumed", () => void this.resumes++);
    this.#socket.addEventListener("lost", () => this.#newest.clear());
    this.#socket.addEventListener("message", ({ data }) => this.#got(String(data)));
  }

  #got(message: string): void {
    const [sender = "", number = ""] = message.split(" ");
    const before = this.#newest.get(sender) ?? 0;
    if (Number(number) <= before) this.broken.push(`${this.#id} got ${message} after ${before}`);
    this.#newest.set(sender, Math.max(before, Number(number)));
  }

  close(): void {
    this.#socket.close();
  }
}

/** Awaits one message after the other, of every kind. */
async function send({ host, hub }: MemoryNode, random: Random): Promise<void> {
  for (let number = 1; number <= SENDS; number++) {
    const message = `${host} ${number}`;
    const sends = [
      () => hub.publish(TOPIC, message),
      () => hub.broadcast(message),
      () => hub.emit(`c${random.below(CLIENTS)}`, message),
    ];
    // A node without its lease, or that cannot reach another one, may fail.
    await random.pick(sends)().catch(() => {});
    if (random.below(4) === 0) await sleep(random.below(10));
  }
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

test("what a node sends comes once and in order, however clients move and whichever node takes another life meanwhile", async () => {
  await using cluster = new MemoryCluster();
  const random = new Random(runSeed);
  const nodes = await threeNodes(cluster, { logger: silentLogger, leaseMs: 300 });
  const movers = Array.from({ length: CLIENTS }, (_, index) => new Mover(`c${index}`, nodes, random));
  const over = new AbortController();
  const striking = strike(cluster, random, over.signal);
  await Promise.all(nodes.map((node) => send(node, random)));
  over.abort();
  await striking;
  for (const mover of movers) mover.close();
  assert.deepEqual(movers.flatMap(({ broken }) => broken), [], `seed ${runSeed}`);
  assert.ok(movers.every(({ resumes }) => resumes > 0));
});
