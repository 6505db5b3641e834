/** Storages that stand still, die, or answer late, under traffic. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { ChaosCluster, LEASE_MS } from "../kit/chaos-cluster.ts";
import { type ChaosStore, startChaosRedis, startStore, type StoreName, STORES } from "../kit/chaos-store.ts";
import { crowd, type Member, member, timed } from "../kit/crowd.ts";
import { longRun } from "../kit/random.ts";
import { type Runtime, runtime as driver } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

/** Longer than the lease. */
const SHORT_MS = LEASE_MS * 1.5;
const LONG_MS = 30_000;
/** The nodes are of all runtimes whoever drives them: one driver waits the whole time for Redis, another for etcd. */
const LONG_ON: Readonly<Record<StoreName, Runtime>> = { redis: "node", etcd: "bun" };
const WARM_UP_MS = 2_000;
/** What a busy machine adds. */
const SLACK_MS = 1_000;
/** In use after a collection: what is queued without a limit would be more. */
const MEMORY_BYTES = 8 * 1_048_576;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

interface Outage {
  readonly name: string;
  readonly ms: number;
  make(): Promise<{ store: ChaosStore; begin: () => Promise<void> | void; end: () => Promise<void> | void }>;
}

const OUTAGES: readonly Outage[] = [
  ...STORES.map((name): Outage => ({
    name: `${name} stopped`,
    ms: longRun || LONG_ON[name] === driver ? LONG_MS : SHORT_MS,
    async make() {
      const store = await startStore(name);
      return { store, begin: () => store.pause(), end: () => store.resume() };
    },
  })),
  {
    name: "redis killed and started again empty",
    ms: SHORT_MS,
    async make() {
      const store = await startChaosRedis();
      return { store, begin: () => store.kill(), end: () => store.restart() };
    },
  },
];

function isUnavailable(error: unknown): boolean {
  return error instanceof MeshError && error.code === "unavailable";
}

/** A send that was not true. */
interface Failure {
  readonly what: string;
  readonly beganAtMs: number;
  readonly endedAtMs: number;
}

/** Sends to every client from every node, again and again until told to stop; says which sends were not true. */
function traffic(
  cluster: ChaosCluster,
  clients: readonly Member[],
): () => Promise<{ sent: number; failed: Failure[] }> {
  let going = true;
  const failed: Failure[] = [];
  let sent = 0;
  const rounds = cluster.seats.map(async ({ node, runtime }) => {
    for (let round = 0; going; round++) {
      const beganAtMs = performance.now();
      const outcomes = await node.callAll(clients.map(({ id }) => ["emit", id, `${runtime} ${round}`]));
      const endedAtMs = performance.now();
      sent += outcomes.length;
      for (const [index, outcome] of outcomes.entries()) {
        if (!("value" in outcome && outcome.value === true)) {
          const what = `${runtime} to ${clients[index]?.id}: ${JSON.stringify(outcome)}`;
          failed.push({ what, beganAtMs, endedAtMs });
        }
      }
      await sleep(20);
    }
  });
  return async () => {
    going = false;
    await Promise.all(rounds);
    return { sent, failed };
  };
}

/** Bytes in use on each node. */
async function memory(cluster: ChaosCluster): Promise<number[]> {
  return await Promise.all(cluster.seats.map(({ node }) => node.heapBytes()));
}

for (const outage of OUTAGES) {
  test(`${outage.name}: clients, local sends and known routes go on, memory stays flat, and all is right again within one lease`, async () => {
    const { store, begin, end } = await outage.make();
    await using cluster = await ChaosCluster.start({ store });
    const clients = (await Promise.all(cluster.seats.map(({ node, runtime }) => crowd(node, runtime, 30)))).flat();
    for (const { node } of cluster.seats) await node.callAll(clients.map(({ id }) => ["emit", id, "route"]));
    const stop = traffic(cluster, clients);
    const leavers = await Promise.all(cluster.seats.map(({ node, runtime }) => member(node, `leaver ${runtime}`)));
    // What a runtime takes for itself under this load it takes first.
    await sleep(WARM_UP_MS);
    const before = await memory(cluster);
    await begin();
    const endsAtMs = performance.now() + outage.ms;
    for (const leaver of leavers) leaver.leave();
    await Promise.all(cluster.seats.map(async ({ node }) => {
      await assert.rejects(member(node, "new"));
      const unknown = await timed(
        node.callAll(Array.from({ length: 2_000 }, (_, index) => ["emit", `u${index}`, "x"])),
      );
      assert.ok(unknown.ms < 2_000 + SLACK_MS, `look-ups took ${unknown.ms} ms`);
      assert.ok(unknown.value?.every((one) => "code" in one && one.code === "unavailable"), JSON.stringify(unknown));
      await until("the node to say that it is degraded", async () => (await node.status()).status === "degraded");
    }));
    await sleep(endsAtMs - performance.now());
    const grown = (await memory(cluster)).map((bytes, index) => bytes - (before[index] ?? 0));
    const backAtMs = performance.now();
    await end();
    for (const { node } of cluster.seats) {
      await until("the node to be ready", async () => (await node.status()).status === "ready");
      await until("clients to be taken", () => member(node, `new ${node.runtime}`).then(() => true, () => false));
    }
    const backMs = performance.now() - backAtMs;
    assert.ok(backMs < LEASE_MS + SLACK_MS, `it was well after ${backMs} ms`);
    const rightAtMs = backAtMs + LEASE_MS;
    await sleep(rightAtMs + 500 - performance.now());
    const { sent, failed } = await stop();
    // Between the two the nodes come back in any order, and an id is offline until its node has claimed it again.
    const wrong = failed.filter(({ beganAtMs, endedAtMs }) => endedAtMs < backAtMs || beganAtMs > rightAtMs);
    assert.deepEqual(wrong.slice(0, 5), []);
    assert.ok(sent > 3 * clients.length, `${sent} messages`);
    assert.deepEqual(clients.filter(({ closed }) => closed), []);
    assert.ok(grown.every((bytes) => bytes < MEMORY_BYTES), `memory grew by ${grown.join(", ")} bytes`);
    for (const { node, runtime } of cluster.seats) {
      assert.equal(await node.hub.emit("nobody", "x"), false);
      for (const { runtime: other } of cluster.seats) {
        assert.equal(await node.hub.emit(`new ${other}`, `from ${runtime}`), true);
        assert.equal(await node.hub.online(`${other}-0`), true);
        assert.equal(await node.hub.online(`leaver ${other}`), false);
      }
    }
  });
}

for (const name of STORES) {
  test(`${name} slow: calls that need it are cut at their time, the others go on, and no node's loop is held up`, async () => {
    await using cluster = await ChaosCluster.start({ store: name, leaseMs: 3_000 });
    const clients = (await Promise.all(cluster.seats.map(({ node, runtime }) => crowd(node, runtime, 10)))).flat();
    for (const { node } of cluster.seats) await node.callAll(clients.map(({ id }) => ["emit", id, "route"]));
    for (const { storage } of cluster.seats) storage.shape({ latencyMs: 5_000 }, ["back"]);
    const stop = traffic(cluster, clients);
    await Promise.all(cluster.seats.map(async ({ node }) => {
      const { ms, error } = await timed(node.hub.emit("unknown", "x"));
      assert.ok(isUnavailable(error), String(error));
      assert.ok(ms < 1_000 + SLACK_MS, `a look-up took ${ms} ms`);
      await assert.rejects(member(node, "new"));
      const { lagMs } = await node.status();
      assert.ok(lagMs < 500, `the loop of ${node.runtime} was late by ${lagMs} ms`);
    }));
    const { failed } = await stop();
    assert.deepEqual(failed.slice(0, 5), []);
    for (const { storage } of cluster.seats) storage.resume();
    for (const { node } of cluster.seats) {
      await until("the node to be ready", async () => (await node.status()).status === "ready");
      await until("look-ups to be answered", () => node.hub.emit("unknown", "x").then((sent) => !sent, () => false));
    }
    assert.deepEqual(clients.filter(({ closed }) => closed), []);
  });
}

test("a node that alone cannot reach the storage keeps its clients, and they are reachable again when it can", async () => {
  await using cluster = await ChaosCluster.start({ store: "redis" });
  const alone = cluster.on("deno");
  const [other] = cluster.others(alone);
  const clients = await crowd(alone.node, "client", 20);
  assert.equal(await other?.node.hub.emit("client-0", "route"), true);
  alone.storage.refuse(true);
  alone.storage.cut();
  await until("the node to be degraded", async () => (await alone.node.status()).status === "degraded");
  // To the others it has died: its lease ended.
  await until(
    "the others to say offline",
    async () => await other?.node.hub.online("client-1").catch(() => true) === false,
  );
  assert.equal(await alone.node.hub.emit("client-1", "local"), true);
  alone.storage.refuse(false);
  for (const { id } of clients) {
    await until(`${id} to be reached`, () => other?.node.hub.emit(id, "back").catch(() => false) ?? false);
  }
  assert.deepEqual(clients.filter(({ closed }) => closed), []);
});
