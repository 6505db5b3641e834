/** What topics cost, and whom they leave out: storage commands counted at the endpoint, bytes at the doors of the nodes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Delivery } from "../../src/send/verbs.ts";
import type { TestClient } from "../kit/client.ts";
import type { VerbCall } from "../kit/node-control.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";
import type { Runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const PUBLISHES = 10_000;
const TOPICS = 10;
const JOINING = 1_000;
const CONNECTS_AT_ONCE = 50;
/** HTTP/2 connections that are quiet say so every 5 s, with 17 bytes each way. */
const KEEPALIVE_BYTES = 6 * 17;

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.start({ leaseMs: 3_000, limits: { linkPingMs: 600_000 } });
});

after(async () => {
  await cluster.close();
});

/** Commands at the endpoint since the last call, by name, without the renewals of leases. */
function commands(): Record<string, number> {
  const { renew: _, ...others } = cluster.redis.counts();
  cluster.redis.commands.length = 0;
  return others;
}

function nodes(runtime: Runtime): { a: NodeProcess; b: NodeProcess; c: NodeProcess } {
  const index = NODE_RUNTIMES.indexOf(runtime);
  const [a, b, c] = [0, 1, 2].map((step) => cluster.on(NODE_RUNTIMES[(index + step) % 3] ?? runtime));
  if (!a || !b || !c) throw new Error("the cluster has three nodes");
  return { a, b, c };
}

function bytesAt(node: NodeProcess): number {
  return cluster.nodes.find((one) => one.node === node)?.proxy.bytes ?? 0;
}

async function published(node: NodeProcess, calls: readonly VerbCall[]): Promise<Delivery[]> {
  return (await node.callAll(calls, 50)).map((
    outcome,
  ) => ("value" in outcome ? outcome.value as Delivery : assert.fail()));
}

async function leave(node: NodeProcess, clients: readonly TestClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
  await until("the clients to be gone", async () => (await node.status()).topics.length === 0);
}

for (const runtime of NODE_RUNTIMES) {
  test(`${runtime}: ten thousand publishes to known topics cost no storage command, and no call at a node without listeners`, async () => {
    const { a, b, c } = nodes(runtime);
    const topics = Array.from({ length: TOPICS }, (_, index) => `known ${runtime} ${index}`);
    const clients = await Promise.all(topics.map((topic) => b.connect(`${topic} listener`, [topic])));
    for (const topic of topics) assert.equal((await a.hub.publish(topic, "look up")).delivered, 1);
    for (const client of clients) assert.equal(await client.next(), "look up");
    commands();
    const [toB, toC] = [bytesAt(b), bytesAt(c)];
    const calls = Array.from({ length: PUBLISHES }, (_, index): VerbCall => {
      return ["publish", topics[index % TOPICS] ?? "", String(index)];
    });
    const deliveries = await published(a, calls);
    assert.ok(deliveries.every(({ delivered, unreachable }) => delivered === 1 && unreachable.length === 0));
    assert.deepEqual(commands(), {});
    assert.ok(bytesAt(b) - toB > PUBLISHES, "the messages went to the node with listeners");
    assert.ok(bytesAt(c) - toC <= KEEPALIVE_BYTES, `${bytesAt(c) - toC} bytes went to a node without listeners`);
    for (const [index, client] of clients.entries()) {
      for (let number = index; number < PUBLISHES; number += TOPICS) assert.equal(await client.next(), String(number));
    }
    await leave(b, clients);
  });

  test(`${runtime}: a thousand clients joining one topic on one node cost one write, and their leaving one more`, async () => {
    const { a, b } = nodes(runtime);
    const topic = `crowd ${runtime}`;
    commands();
    const clients: TestClient[] = [];
    while (clients.length < JOINING) {
      clients.push(...await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, () => a.connect(undefined, [topic]))));
    }
    assert.equal(commands()["subscribe"], 1);
    assert.deepEqual(await b.hub.count(topic), { count: JOINING, unreachable: [] });
    assert.deepEqual(await b.hub.publish(topic, "hi"), { delivered: JOINING, held: 0, dropped: 0, unreachable: [] });
    for (const client of clients) assert.equal(await client.next(), "hi");
    commands();
    await leave(a, clients);
    await until("the withdrawal", () => (cluster.redis.counts()["unsubscribe"] ?? 0) > 0);
    assert.equal(commands()["unsubscribe"], 1);
  });

  test(`${runtime}: except leaves out clients of every node, and a client's own publish and broadcast leave it out`, async () => {
    const { a, b, c } = nodes(runtime);
    const topic = `some ${runtime}`;
    const [here, there, far, other] = await Promise.all([
      a.connect(`here ${runtime}`, [topic]),
      b.connect(`there ${runtime}`, [topic]),
      c.connect(`far ${runtime}`, [topic]),
      c.connect(`other ${runtime}`),
    ]);
    const all = [here, there, far, other];
    await until("the others to be gone", async () => (await a.hub.broadcast("all")).delivered === all.length);
    for (const client of all) while ((await client.next()) !== "all");
    const except = [`there ${runtime}`, `far ${runtime}`];
    assert.deepEqual(await a.hub.publish(topic, "1", { except }), {
      delivered: 1,
      held: 0,
      dropped: 0,
      unreachable: [],
    });
    assert.deepEqual(await a.hub.broadcast("2", { except }), { delivered: 2, held: 0, dropped: 0, unreachable: [] });
    assert.equal(((await b.client(`there ${runtime}`, "publish", topic, "3")) as Delivery).delivered, 2);
    assert.equal(((await b.client(`there ${runtime}`, "broadcast", "4")) as Delivery).delivered, 3);
    assert.equal((await a.hub.broadcast("last")).delivered, all.length);
    const got = await Promise.all(all.map(async (client) => {
      const messages: unknown[] = [];
      do messages.push(await client.next()); while (messages.at(-1) !== "last");
      return messages.join();
    }));
    assert.deepEqual(got, ["1,2,3,4,last", "last", "3,4,last", "2,4,last"]);
    await Promise.all(all.map((client) => client.close()));
    for (const node of [a, b, c]) await until("all to be gone", async () => (await node.status()).size === 0);
  });
}
