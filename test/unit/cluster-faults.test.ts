import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeshError } from "../../src/base/error.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";
import { within } from "../kit/wait.ts";
import { WatchedStorage } from "../kit/watched-storage.ts";
import { clusterNode } from "../../src/distributed/dist-hub.ts";

/** Stands still, as a process does that is paused. */
function standStill(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

function code(expected: string): (error: MeshError) => boolean {
  return (error) => error.code === expected;
}

test("faults: with the storage down, clients, local sends and known routes go on, and new clients are refused", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ leaseMs: 600 });
  const b = await cluster.start({ leaseMs: 60_000 });
  const local = await a.connect("local");
  const remote = await b.connect("remote");
  await a.hub.emit("remote", "route");
  cluster.storageDown = true;
  await assert.rejects(a.connect("new"), /refused with 503/);
  await until("the hub says that it is degraded", () => a.hub.status === "degraded");
  assert.equal(await a.hub.emit("local", "1"), true);
  assert.equal(await a.hub.emit("remote", "2"), true);
  await assert.rejects(a.hub.emit("unknown", "3"), code("unavailable"));
  assert.deepEqual([await local.next(), await remote.take(2)], ["1", ["route", "2"]]);
  cluster.storageDown = false;
  await until("the hub is ready again", () => a.hub.status === "ready");
  await until("clients are taken again", () => a.connect("new").then(() => true, () => false));
  assert.equal(await b.hub.emit("local", "back"), true);
});

test("faults: what a release could not tell the storage is told when it is back", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 300 });
  const alice = await a.connect("alice");
  cluster.storageDown = true;
  alice.socket.close(1000);
  await alice.closed();
  await until("the hub says that it is degraded", () => a.hub.status === "degraded");
  cluster.storageDown = false;
  await until("the claim is gone", async () => (await storage.get(["alice"]))[0] === undefined);
});

test("faults: a node that stood still past its lease takes a new life, keeps its own and closes what others took", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ leaseMs: 300, limits: { timeoutMs: 200 } });
  const b = await cluster.start({ leaseMs: 60_000 });
  const kept = await a.connect("kept");
  const taken = await a.connect("taken");
  const { life } = clusterNode(a.hub).cluster.holder;
  cluster.silenced.add(a.host);
  standStill(400);
  const newer = await b.connect("taken");
  cluster.silenced.delete(a.host);
  assert.equal((await taken.closed()).code, 4409);
  assert.notEqual(clusterNode(a.hub).cluster.holder.life, life);
  assert.equal(await b.hub.emit("kept", "still here"), true);
  assert.equal(await kept.next(), "still here");
  assert.equal(await a.hub.emit("taken", "to the newer"), true);
  assert.equal(await newer.next(), "to the newer");
});

test("faults: a node that stood still past its lease holds nothing for a client that began again elsewhere", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ leaseMs: 300, limits: { timeoutMs: 200 } });
  const b = await cluster.start({ leaseMs: 60_000 });
  const first = await V1Client.open(a.hub, { id: "me" });
  first.socket.terminate();
  const lost: string[] = [];
  a.hub.on("lost", ({ client: { id }, reason }) => void lost.push(`${id} ${reason}`));
  cluster.silenced.add(a.host);
  standStill(400);
  const newer = await V1Client.open(b.hub, { id: "me" });
  cluster.silenced.delete(a.host);
  // A node whose life goes on waits for ten seconds whether it is asked for the client.
  await within("the older one to be given up", until("an end of it", () => a.hub.size === 0), 5_000);
  assert.deepEqual(lost, ["me replaced"]);
  const { delivered, held } = await a.hub.broadcast("to all");
  assert.deepEqual([delivered, held], [1, 0]);
  assert.equal(await a.hub.emit("me", "to the newer"), true);
  assert.deepEqual(await newer.take(2), ["to all", "to the newer"]);
  newer.socket.close(1000);
});

test("faults: a node that stood still renews its lease at once, however long it has to the next renewal", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 60_000, limits: { timeoutMs: 200 } });
  const { life } = clusterNode(a.hub).cluster.holder;
  const renewed = Promise.withResolvers<void>();
  const renew = storage.renew.bind(storage);
  storage.renew = async (...args) => {
    renewed.resolve();
    return await renew(...args);
  };
  standStill(400);
  await within("the renewal", renewed.promise, 1_000);
  assert.equal(clusterNode(a.hub).cluster.holder.life, life);
});

test("faults: after a kill the ids of the dead are offline within its lease, and reachable at once where they came back", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  await b.connect("alice");
  await b.connect("bob");
  await a.hub.emit("alice", "route");
  await a.hub.emit("bob", "route");
  await cluster.kill(b.host);
  const back = await a.connect("alice");
  assert.equal(await a.hub.emit("alice", "welcome back"), true);
  assert.equal(await back.next(), "welcome back");
  await until("bob is offline", () => a.hub.online("bob").then((online) => !online, () => false));
  assert.equal(await a.hub.emit("bob", "hi"), false);
  await until("the others have buried the node", () => a.hub.nodes().length === 1);
  const left: string[] = [];
  for await (const { id } of storage.all()) left.push(id);
  assert.deepEqual(left, ["alice"]);
});

test("faults: an audit makes the claims again that the storage lost without a sign", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start();
  const b = await cluster.start();
  await Promise.all(Array.from({ length: 30 }, (_, index) => a.connect(`client-${index}`)));
  const ids = Array.from({ length: 10 }, (_, index) => `client-${index * 3}`);
  const entries = await storage.get(ids);
  await storage.del(entries.flatMap((entry, index) => (entry ? [{ ...entry, id: ids[index] ?? "" }] : [])));
  assert.equal(await b.hub.emit("client-3", "lost"), false);
  assert.equal(await a.hub.audit(), 10);
  assert.equal(await a.hub.audit(), 0);
  assert.equal(await b.hub.emit("client-3", "found"), true);
});

test("faults: the lease is renewed also while many claims are made again", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  const alice = await a.connect("alice");
  const { life } = clusterNode(a.hub).cluster.holder;
  const set = storage.set.bind(storage);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  storage.set = async (...args) => {
    asked.resolve();
    await answer.promise;
    return await set(...args);
  };
  storage.wipe();
  await asked.promise;
  const since = performance.now();
  await until("two leases passed", () => performance.now() - since > 600);
  storage.set = set;
  answer.resolve();
  await until("alice is found again", () => b.hub.emit("alice", "found"));
  assert.equal(await alice.next(), "found");
  assert.equal(clusterNode(a.hub).cluster.holder.life, life);
});

test("faults: a holder that could not be told of a newer connection in time is told later, and never two stay", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ leaseMs: 60_000 });
  const b = await cluster.start({ leaseMs: 900, limits: { timeoutMs: 100 } });
  const older = await a.connect("alice");
  cluster.down.add(a.host);
  const newer = await b.connect("alice");
  assert.equal(a.hub.client("alice")?.open, true);
  cluster.down.delete(a.host);
  assert.equal((await older.closed()).code, 4409);
  assert.equal(await a.hub.emit("alice", "to the newer"), true);
  assert.equal(await newer.next(), "to the newer");
});

test("faults: a claim whose answer was under way while the storage was wiped is made again", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  await a.connect("witness");
  const set = storage.set.bind(storage);
  const claimed = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  storage.set = async (...args) => {
    storage.set = set;
    const results = await set(...args);
    claimed.resolve();
    await answer.promise;
    return results;
  };
  const connecting = a.connect("alice");
  await claimed.promise;
  storage.wipe();
  await until("the claims are back", async () => (await storage.get(["witness"]))[0] !== undefined);
  answer.resolve();
  const alice = await connecting;
  assert.equal(await b.hub.emit("alice", "found"), true);
  assert.equal(await alice.next(), "found");
});
