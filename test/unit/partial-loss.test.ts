/** Storages that lose a part of what they knew and say nothing: noticed by what each renewal of a lease looks at. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterNode, type DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { upgradeRequest } from "../kit/memory-client.ts";
import { MemoryCluster, type MemoryNode } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";

const LEASE_MS = 300;
const CLIENTS = 200;

/** Loses the entries of these ids. */
async function lose(storage: Storage, ids: readonly string[]): Promise<void> {
  const entries = await storage.get(ids);
  const lost = entries.flatMap((entry, index) => (entry ? [{ ...entry, id: ids[index] ?? "" }] : []));
  assert.equal(lost.length, ids.length);
  await storage.del(lost);
}

async function crowded(
  storage: Storage,
): Promise<{ cluster: MemoryCluster; a: MemoryNode; b: MemoryNode; ids: string[] }> {
  const cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: LEASE_MS });
  const b = await cluster.start({ leaseMs: LEASE_MS });
  const ids = Array.from({ length: CLIENTS }, (_, index) => `client-${index}`);
  await Promise.all(ids.map((id) => a.connect(id)));
  return { cluster, a, b, ids };
}

async function allFound({ hub }: MemoryNode, ids: readonly string[]): Promise<void> {
  for (const id of ids) await until(`${id} to be found`, () => hub.emit(id, "found"));
}

test("partial loss: claims that are lost without a sign are made again, a third of all or a single one", async () => {
  const storage = new MemoryStorage();
  const { cluster, a, b, ids } = await crowded(storage);
  await using _ = cluster;
  for (
    const lost of [ids.filter((_id, index) => index % 3 === 0), ids.slice(0, 1), ids.slice(100, 101), ids.slice(-1)]
  ) {
    await lose(storage, lost);
    await allFound(b, lost);
  }
  assert.equal(await a.hub.audit(), 0);
});

test("partial loss: what was claimed last is looked at by the next renewal", async () => {
  const storage = new MemoryStorage();
  const { cluster, a, ids } = await crowded(storage);
  await using _ = cluster;
  const looked: string[][] = [];
  const renew = storage.renew.bind(storage);
  storage.renew = async (holder, ttlMs, options) => {
    if (holder.host === a.host) looked.push([...(options?.ids ?? [])]);
    return await renew(holder, ttlMs, options);
  };
  await until("a renewal", () => looked.length > 0);
  const newest = ["new-1", "new-2"];
  await Promise.all(newest.map((id) => a.connect(id)));
  const before = looked.length;
  await until("all to have had their turn", () => newest.concat(ids).every((id) => looked.flat().includes(id)));
  assert.ok(newest.every((id) => looked[before]?.includes(id)));
  assert.ok(looked.every((some) => some.length <= 64));
});

test("partial loss: topics that were lost with the claims reach their listeners again", async () => {
  const storage = new MemoryStorage();
  const { cluster, a, b, ids } = await crowded(storage);
  await using _ = cluster;
  await a.hub.subscribe(ids[0] ?? "", "news");
  await storage.unsubscribe("news", clusterNode(a.hub).cluster.holder);
  await lose(storage, ids.slice(0, 10));
  await until("a publish to arrive", async () => {
    const { delivered } = await b.hub.publish("news", "hello");
    return delivered === 1;
  });
});

/** An upgrade that is let in and comes to nothing before its 101. */
async function giveUpUpgrade(hub: DistHub, id: string): Promise<void> {
  const admission = await hub.admit(upgradeRequest(), () => ({ id }), { remoteAddress: "" });
  assert.ok(!(admission instanceof Response));
  admission.cancel();
}

test("partial loss: an upgrade that comes to nothing leaves the older connection of its id reachable", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: LEASE_MS });
  const b = await cluster.start({ leaseMs: LEASE_MS });
  const alice = await a.connect("alice");
  for (const { hub } of [a, b]) {
    await giveUpUpgrade(hub, "alice");
    await until("alice to be found", () => b.hub.emit("alice", `after one at ${hub === a.hub ? "a" : "b"}`));
  }
  assert.deepEqual(await alice.take(2), ["after one at a", "after one at b"]);
  assert.equal(alice.socket.readyState, 1);
});

test("partial loss: a connection whose id another node holds is closed, though nobody told it", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: LEASE_MS });
  const b = await cluster.start({ leaseMs: 60_000 });
  const alice = await a.connect("alice");
  await storage.set(["alice"], clusterNode(b.hub).cluster.holder);
  assert.equal((await alice.closed()).code, 4409);
});
