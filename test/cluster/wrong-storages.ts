import assert from "node:assert/strict";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { freePort } from "../kit/free-port.ts";
import { snapshotOf } from "../kit/redis-rewind.ts";
import { until } from "../kit/until.ts";
import { LEASE_MS, logged, type Rig, type RigNode, useRedis } from "./wrong-cluster-rig.ts";
import type { WrongCluster } from "./wrong-cluster.ts";

/** Clusters whose storage cannot hold them, or loses what it held. */
export const WRONG_STORAGES: readonly WrongCluster[] = [
  {
    title: "a storage at which nothing listens",
    state: "the node refuses to start",
    line: "the storage cannot be reached at HOST: …",
    results: "none: there is no node",
    async run(rig) {
      const storage = new RedisStorage("redis://127.0.0.1:1");
      rig.atEnd(() => storage.close());
      return await rig.refused(rig.node({ hub: { storage } }), "unavailable");
    },
  },
  {
    title: "a storage that is another product's web page",
    state: "the node refuses to start",
    line: "the storage …HOST…",
    results: "none: there is no node",
    async run(rig) {
      const storage = new RedisStorage({ url: `http://${await rig.web(200)}`, token: "t" });
      return await rig.refused(rig.node({ hub: { storage } }), "unavailable");
    },
  },
  {
    title: "a storage that drops keys when its memory is full",
    state: "the node refuses to start",
    line:
      "the storage at HOST drops keys when its memory is full (maxmemory-policy allkeys-lru): set maxmemory-policy " +
      "noeviction, or clients that are connected would become unreachable without a word",
    results: "none: there is no node",
    async run(rig) {
      const redis = await useRedis(rig);
      await redis.command("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru");
      return await rig.refused(rig.node());
    },
  },
  {
    title: "a storage that is a read-only replica at the start",
    state: "the node refuses to start",
    line:
      "the storage at HOST is read-only, because it is a replica: give the address of the primary, or of its Sentinels",
    results: "none: there is no node",
    async run(rig) {
      const redis = await useRedis(rig);
      await redis.command("REPLICAOF", "127.0.0.1", String(await freePort()));
      return await rig.refused(rig.node(), "unavailable");
    },
  },
  {
    title: "a storage that becomes a read-only replica",
    state: "degraded: clients stay, new ones get 503",
    line:
      "could not renew the lease of HOST: the storage at HOST is read-only, because it is a replica: give the address of " +
      "the primary, or of its Sentinels",
    results: "known routes go on; others reject with unavailable, or are read from the replica",
    async run(rig) {
      const redis = await useRedis(rig);
      return await degradedBy(rig, async () => {
        await redis.command("REPLICAOF", "127.0.0.1", String(await freePort()));
      });
    },
  },
  {
    title: "a storage that is full",
    state: "degraded: clients stay, new ones get 503",
    line:
      "could not renew the lease of HOST: the storage at HOST is full: raise maxmemory of that Redis, or delete other " +
      "data from it",
    results: "known routes go on; others reject with unavailable, or are read from the storage",
    async run(rig) {
      const redis = await useRedis(rig);
      return await degradedBy(rig, async () => {
        await redis.command("CONFIG", "SET", "maxmemory", "1");
      });
    },
  },
  {
    title: "a storage that was wiped",
    state: "ready",
    line: "the storage was wiped: this node writes again what it held there",
    results: "false for moments at most a third of a lease long; then every client is found again",
    async run(rig) {
      const redis = await useRedis(rig);
      return await healsFrom(rig, () => redis.flush());
    },
  },
  {
    title: "a storage that lost its last writes",
    state: "ready",
    line: "the storage lost claims of this node: it makes them again",
    results: "false for moments at most a third of a lease long; then every client is found again",
    async run(rig) {
      const redis = await useRedis(rig);
      const a = await rig.node({ hub: { leaseMs: 6 * LEASE_MS } });
      const rewind = await snapshotOf(redis);
      return await healsFrom(rig, rewind, a);
    },
  },
];

/** Two nodes whose storage takes no writes any more. */
async function degradedBy(rig: Rig, breakIt: () => Promise<void>): Promise<string> {
  const [a, b] = [await rig.node({ hub: { leaseMs: LEASE_MS } }), await rig.node({ hub: { leaseMs: 60_000 } })];
  const ann = await a.connect("ann");
  const bob = await b.connect("bob");
  assert.equal(await a.hub.emit("bob", "route"), true);
  await breakIt();
  const line = await logged(a, "could not renew the lease");
  await until("the node to be degraded", () => a.hub.status === "degraded");
  await assert.rejects(a.connect("new"), /503/);
  assert.equal(await a.hub.emit("bob", "hi"), true);
  assert.equal(await a.hub.emit("ann", "hi"), true);
  assert.deepEqual([await ann.next(), await bob.take(2)], ["hi", ["route", "hi"]]);
  return line;
}

/** A client whose claim the storage loses, and that is found again. */
async function healsFrom(rig: Rig, lose: () => Promise<void>, first?: RigNode): Promise<string> {
  const a = first ?? (await rig.node({ hub: { leaseMs: LEASE_MS } }));
  const b = await rig.node({ hub: { leaseMs: 60_000 } });
  const ann = await a.connect("ann");
  await lose();
  await until("ann to be found", () => b.hub.emit("ann", "hi").catch(() => false));
  assert.equal(await ann.next(), "hi");
  assert.equal(a.hub.status, "ready");
  return await logged(a, "the storage");
}
