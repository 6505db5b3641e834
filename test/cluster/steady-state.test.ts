/** What messages cost: storage commands counted at the HTTP endpoint, and bytes at the door of a node that has no part in them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloseCode } from "../../src/base/close-code.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import type { Delivery } from "../../src/send/verbs.ts";
import type { TestClient } from "../kit/client.ts";
import type { Outcome, VerbCall } from "../kit/node-control.ts";
import { NODE_RUNTIMES, type NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";
import type { Runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const COUNT = 1_000;
const IDS = 10;

let cluster: ProcessCluster;
let storage: RedisStorage;

before(async () => {
  // Leases short enough that some are renewed while the tests count, and no links' pings while they measure.
  cluster = await ProcessCluster.start({ leaseMs: 1_000, limits: { linkPingMs: 600_000 } });
  storage = new RedisStorage(cluster.redis.target, "cluster");
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

function sender(runtime: Runtime): { a: NodeProcess; b: NodeProcess; c: NodeProcess } {
  const index = NODE_RUNTIMES.indexOf(runtime);
  const [a, b, c] = [0, 1, 2].map((step) => cluster.on(NODE_RUNTIMES[(index + step) % 3] ?? runtime));
  if (!a || !b || !c) throw new Error("the cluster has three nodes");
  return { a, b, c };
}

async function settled(node: NodeProcess, calls: readonly VerbCall[]): Promise<unknown[]> {
  const outcomes: Outcome[] = await node.callAll(calls, 20);
  return outcomes.map((outcome) => ("value" in outcome ? outcome.value : outcome));
}

/** Fails unless the messages are these numbers' texts in order. */
async function expectNumbers(client: TestClient, count: number): Promise<void> {
  for (let index = 0; index < count; index++) assert.equal(await client.next(), String(index));
}

/** Closes clients, and waits until the storage has heard that they and their topic are gone. */
async function leave(clients: readonly TestClient[], ids: readonly string[], topic = "none"): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
  await until("the releases", async () => (await storage.get(ids)).every((entry) => entry === undefined));
  await until("the end of interest", async () => (await storage.subscribers(topic)).length === 0);
}

for (const runtime of NODE_RUNTIMES) {
  test(`${runtime}: a thousand emits to ten known ids of other nodes cost no storage command`, async () => {
    const { a, b, c } = sender(runtime);
    const ids = Array.from({ length: IDS }, (_, index) => `steady-${runtime}-${index}`);
    const clients = await Promise.all(ids.map((id, index) => (index % 2 === 0 ? b : c).connect(id)));
    for (const id of ids) assert.equal(await a.hub.emit(id, "route"), true);
    for (const client of clients) await client.next();
    commands();
    const values = await settled(
      a,
      Array.from({ length: COUNT }, (_, n) => ["emit", ids[n % IDS] ?? "", String(Math.floor(n / IDS))]),
    );
    assert.ok(values.every((value) => value === true));
    for (const client of clients) await expectNumbers(client, COUNT / IDS);
    assert.deepEqual(commands(), {});
    await leave(clients, ids);
  });

  test(`${runtime}: a thousand broadcasts and a thousand publishes cost no storage command`, async () => {
    const { a, b } = sender(runtime);
    const id = `many-${runtime}`;
    const client = await b.connect(id, [`news-${runtime}`]);
    assert.equal((await a.hub.publish(`news-${runtime}`, "route")).delivered, 1);
    await client.next();
    commands();
    const one: Delivery = { delivered: 1, held: 0, dropped: 0, unreachable: [] };
    const calls = Array.from({ length: 2 * COUNT }, (_, n): VerbCall => {
      return n % 2 === 0 ? ["broadcast", String(n)] : ["publish", `news-${runtime}`, String(n)];
    });
    assert.deepEqual(await settled(a, calls), calls.map(() => one));
    await expectNumbers(client, 2 * COUNT);
    assert.deepEqual(commands(), {});
    await leave([client], [id], `news-${runtime}`);
  });

  test(`${runtime}: after a route moved a thousand emits cost one look-up`, async () => {
    const { a, b, c } = sender(runtime);
    const id = `moving-${runtime}`;
    const older = await b.connect(id);
    assert.equal(await a.hub.emit(id, "route"), true);
    commands();
    const newer = await c.connect(id);
    assert.equal((await older.closed()).code, CloseCode.Replaced);
    await until("the release of the older", () => (cluster.redis.counts()["del"] ?? 0) > 0);
    commands();
    const values = await settled(a, Array.from({ length: COUNT }, (_, n) => ["emit", id, String(n)]));
    assert.ok(values.every((value) => value === true));
    // Calls that were under way to the older owner may be overtaken; none is lost, and none comes twice.
    const numbers = new Set<unknown>();
    for (let index = 0; index < COUNT; index++) numbers.add(await newer.next());
    assert.equal(numbers.size, COUNT);
    assert.deepEqual(commands(), { get: 1 });
    await leave([newer], [id]);
  });

  test(`${runtime}: an emit to a client of one node makes no call at another`, async () => {
    const { a, b, c } = sender(runtime);
    const id = `apart-${runtime}`;
    const client = await b.connect(id);
    assert.equal(await a.hub.emit(id, "route"), true);
    await client.next();
    const proxyOf = (node: NodeProcess) => cluster.nodes.find((one) => one.node === node)?.proxy;
    const [toB, toC] = [proxyOf(b)?.bytes ?? 0, proxyOf(c)?.bytes ?? 0];
    const values = await settled(a, Array.from({ length: COUNT }, (_, n) => ["emit", id, String(n)]));
    assert.ok(values.every((value) => value === true));
    await expectNumbers(client, COUNT);
    assert.ok((proxyOf(b)?.bytes ?? 0) - toB > 10 * COUNT, "the messages went through the proxy of their owner");
    // HTTP/2 connections that are quiet for 5 s say so, with 17 bytes each way.
    const atC = (proxyOf(c)?.bytes ?? 0) - toC;
    assert.ok(atC <= 4 * 17, `${atC} bytes went to a node that has no part in it`);
    await leave([client], [id]);
  });
}
