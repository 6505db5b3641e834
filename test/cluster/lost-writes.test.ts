/** A storage that lost its last writes: a failover to an asynchronous replica, `appendfsync everysec`, a restored backup. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { MeshError } from "../../src/base/error.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { startRedis } from "../kit/redis.ts";
import { snapshotOf } from "../kit/redis-rewind.ts";
import { until } from "../kit/until.ts";

const redis = await startRedis();
after(() => redis.stop());

let prefixes = 0;

async function twoNodes(options: Partial<DistHubOptions> = {}) {
  await redis.flush();
  const cluster = new MemoryCluster(new RedisStorage(redis.target, `lost-${++prefixes}`));
  const a = await cluster.start({ leaseMs: 3_000, ...options });
  const b = await cluster.start({ leaseMs: 3_000, ...options });
  return { cluster, a, b };
}

test("a client that changed nodes in the lost second stays, and is found again", async () => {
  const { cluster, a, b } = await twoNodes();
  await using _ = cluster;
  const first = await a.connect("ann");
  const rewind = await snapshotOf(redis);
  first.socket.close(1000);
  await first.closed();
  await until("the release", async () => (await cluster.storage.get(["ann"]))[0] === undefined);
  const second = await b.connect("ann");
  await rewind();
  await until("ann to be found", () => a.hub.emit("ann", "hi").catch(() => false));
  assert.equal(await second.next(), "hi");
  assert.equal(second.socket.readyState, 1);
});

test("of two connections of one id the newer one wins, also when the counter of claims went back", async () => {
  const { cluster, a } = await twoNodes();
  await using _ = cluster;
  await a.connect("someone");
  const rewind = await snapshotOf(redis);
  for (let count = 0; count < 20; count++) await a.connect(`client-${count}`);
  const older = await a.connect("bob");
  await rewind();
  const newer = await a.connect("bob");
  assert.equal((await older.closed()).code, 4409);
  assert.equal(await a.hub.emit("bob", "hi"), true);
  assert.equal(await newer.next(), "hi");
});

test("with duplicateIds oldest, an id whose client left in the lost second is free at once", async () => {
  const { cluster, a, b } = await twoNodes({ duplicateIds: "oldest" });
  await using _ = cluster;
  const first = await a.connect("cy");
  const rewind = await snapshotOf(redis);
  first.socket.close(1000);
  await first.closed();
  await until("the release", async () => (await cluster.storage.get(["cy"]))[0] === undefined);
  await rewind();
  const second = await b.connect("cy");
  assert.equal(await a.hub.emit("cy", "hi"), true);
  assert.equal(await second.next(), "hi");
  await assert.rejects(a.connect("cy"), /refused with 409/);
});

/** A storage that takes a claim and loses the answer, once. */
class LosesOneAnswer extends MemoryStorage {
  lose = false;

  override async set(...args: Parameters<MemoryStorage["set"]>): ReturnType<MemoryStorage["set"]> {
    const answer = await super.set(...args);
    if (!this.lose) return answer;
    this.lose = false;
    throw new MeshError("unavailable", "the answer was lost");
  }
}

test("a claim whose answer was lost is given up by the next renewal, or as soon as another node asks", async () => {
  for (const leaseMs of [300, 60_000]) {
    const storage = new LosesOneAnswer();
    await using cluster = new MemoryCluster(storage);
    const a = await cluster.start({ leaseMs, duplicateIds: "oldest" });
    const b = await cluster.start({ leaseMs: 60_000, duplicateIds: "oldest" });
    storage.lose = true;
    await assert.rejects(a.connect("dora"), /refused with 503/);
    if (leaseMs === 300) await until("the release", async () => (await storage.get(["dora"]))[0] === undefined);
    await b.connect("dora");
    assert.equal(await a.hub.online("dora"), true);
  }
});
