import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { WatchedStorage } from "../kit/watched-storage.ts";

test("cluster: nobody misses what is published after their subscribe settled, from a node that caches", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b, c] = await threeNodes(cluster);
  const first = await b.connect("first");
  await b.hub.subscribe("first", "news");
  assert.equal((await a.hub.publish("news", "1")).delivered, 1);
  const second = await c.connect("second");
  await c.hub.subscribe("second", "news");
  storage.commands.length = 0;
  assert.equal((await a.hub.publish("news", "2")).delivered, 2);
  assert.deepEqual(storage.commands, []);
  assert.deepEqual(await first.take(2), ["1", "2"]);
  assert.equal(await second.next(), "2");
  await c.hub.unsubscribe("second", "news");
  assert.equal((await a.hub.publish("news", "3")).delivered, 1);
  assert.deepEqual(second.waiting, []);
});

test("cluster: a publish wakes only nodes with listeners", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await b.connect("alice", { onConnect: (client) => client.subscribe("news") });
  await a.hub.publish("news", "1");
  cluster.calls.length = 0;
  await a.hub.publish("news", "2");
  assert.deepEqual(cluster.calls.filter((call) => call.startsWith(c.host)), []);
});

test("cluster: many clients joining one topic on one node write the storage once", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const [a] = await threeNodes(cluster);
  await Promise.all(
    Array.from({ length: 100 }, () => a.connect(undefined, { onConnect: (client) => client.subscribe("news") })),
  );
  assert.deepEqual(storage.commands, ["subscribe"]);
});

test("cluster: members lists the listeners of every node and names who did not answer", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  for (const [index, node] of [a, b, c].entries()) {
    await node.connect(`m${index}`, { onConnect: (client) => client.subscribe("news") });
  }
  const { ids, unreachable } = await a.hub.members("news");
  assert.deepEqual([...ids].sort(), ["m0", "m1", "m2"]);
  assert.deepEqual(unreachable, []);
  cluster.down.add(c.host);
  cluster.cut(c.host);
  const without = await a.hub.members("news");
  assert.deepEqual([...without.ids].sort(), ["m0", "m1"]);
  assert.deepEqual(without.unreachable, [c.host]);
});

test("cluster: a client of another node is subscribed and unsubscribed by its id", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const alice = await b.connect("alice");
  assert.equal(await a.hub.subscribe("alice", "news"), true);
  assert.equal((await a.hub.publish("news", "hi")).delivered, 1);
  assert.equal(await alice.next(), "hi");
  assert.equal(await a.hub.unsubscribe("alice", "news"), true);
  assert.equal((await a.hub.publish("news", "hi")).delivered, 0);
  assert.equal(await a.hub.subscribe("nobody", "news"), false);
});
