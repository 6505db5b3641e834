import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import { clusterNode, type DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { WatchedStorage } from "../kit/watched-storage.ts";

/** A storage whose subscriptions wait for a test. */
class HeldStorage extends WatchedStorage {
  readonly #held: (() => void)[] = [];
  holding = false;

  override async subscribe(...args: Parameters<WatchedStorage["subscribe"]>): ReturnType<WatchedStorage["subscribe"]> {
    if (this.holding) await new Promise<void>((resolve) => this.#held.push(resolve));
    return await super.subscribe(...args);
  }

  release(): void {
    this.holding = false;
    for (const go of this.#held.splice(0)) go();
  }
}

async function clientOf(hub: DistHub, id: string): Promise<Client> {
  const client = hub.client(id);
  assert.ok(client);
  return client;
}

test("subscribe: one call that gives up takes nothing from another that waits for the same", async () => {
  const storage = new HeldStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b] = await threeNodes(cluster);
  await a.connect("alice");
  const alice = await clientOf(a.hub, "alice");
  storage.holding = true;
  const impatient = alice.subscribe("news", { timeoutMs: 20 });
  const patient = alice.subscribe(["news", "sports"]);
  await assert.rejects(impatient, { code: "deadline_exceeded" });
  storage.release();
  await patient;
  assert.equal((await b.hub.publish("news", "1")).delivered, 1);
});

test("subscribe: a call that gives up leaves a newer subscription alone", async () => {
  const storage = new HeldStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b] = await threeNodes(cluster);
  await a.connect("alice");
  const alice = await clientOf(a.hub, "alice");
  storage.holding = true;
  const older = alice.subscribe("news", { timeoutMs: 20 });
  await alice.unsubscribe("news");
  const newer = alice.subscribe("news");
  await assert.rejects(older, { code: "deadline_exceeded" });
  storage.release();
  await newer;
  assert.deepEqual([...alice.topics], ["news"]);
  assert.equal((await b.hub.publish("news", "1")).delivered, 1);
});

test("subscribe: a call that fails changes nothing, and the last that fails withdraws the interest", async () => {
  const storage = new HeldStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b] = await threeNodes(cluster);
  await a.connect("alice");
  const alice = await clientOf(a.hub, "alice");
  await alice.subscribe("old");
  storage.holding = true;
  await assert.rejects(alice.subscribe(["old", "new"], { timeoutMs: 20 }), { code: "deadline_exceeded" });
  assert.deepEqual([...alice.topics], ["old"]);
  const abort = new AbortController();
  const aborted = alice.subscribe("other", { signal: abort.signal });
  abort.abort(new Error("no more"));
  await assert.rejects(aborted, /no more/);
  storage.release();
  assert.equal((await b.hub.publish("new", "1")).delivered, 0);
  assert.equal((await b.hub.publish("old", "1")).delivered, 1);
});

test("subscribe: a publisher that is silent delays a subscription, and does not make it fail", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await b.hub.publish("news", "none");
  await a.connect("alice");
  const resume = cluster.pause(b.host);
  await (await clientOf(a.hub, "alice")).subscribe("news");
  assert.equal((await c.hub.publish("news", "1")).delivered, 1);
  resume();
});

test("publish: while the storage is down it reaches the listeners of topics that nobody looked up", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await b.connect("bob", { onConnect: (client) => client.subscribe("news") });
  await c.connect("carol", { onConnect: (client) => client.subscribe("news") });
  cluster.storageDown = true;
  assert.deepEqual(await a.hub.publish("news", "1"), { delivered: 2, held: 0, dropped: 0, unreachable: [] });
  assert.deepEqual([...(await a.hub.members("news")).ids].sort(), ["bob", "carol"]);
  assert.equal((await a.hub.count("news")).count, 2);
  cluster.storageDown = false;
});

test("publish: a host that left while it was looked up is not unreachable for ever", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  await b.connect("bob", { onConnect: (client) => client.subscribe("news") });
  // What a look-up answers that was under way when the node left.
  const { holder } = b.hub;
  assert.ok(holder);
  await a.hub.publish("news", "1");
  await cluster.kill(b.host);
  clusterNode(a.hub).cluster.neighbours.hello(holder, true);
  cluster.storage.subscribers = async () => [holder];
  assert.deepEqual((await a.hub.publish("news", "2")).unreachable, []);
  assert.deepEqual((await a.hub.publish("late", "3")).unreachable, [b.host]);
  cluster.storage.subscribers = async () => [];
  await a.hub.publish("late", "4");
  assert.deepEqual((await a.hub.publish("late", "5")).unreachable, []);
});

test("publish: so many ids to leave out that no node could read them are refused, and harm no other call", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const bob = await b.connect("bob", { onConnect: (client) => client.subscribe("news") });
  await a.hub.publish("news", "0");
  const except = Array.from({ length: 30_000 }, (_, index) => `${"\u{10400}".repeat(20)} ${index}`);
  const [many, other] = await Promise.all([a.hub.publish("news", "1", { except }), a.hub.publish("news", "2")]);
  assert.deepEqual(many, { delivered: 0, held: 0, dropped: 0, unreachable: [b.host] });
  assert.equal(other.delivered, 1);
  assert.deepEqual(await bob.take(2), ["0", "2"]);
});

test("members: a topic with more members than one answer can hold is answered whole, with and without their infos", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const info = "x".repeat(1_000);
  const ids = Array.from({ length: 3_000 }, (_, index) => `member ${index}`);
  await Promise.all(ids.map((id) => b.connect(id, { info, onConnect: (client) => client.subscribe("crowd") })));
  const { infos, ...others } = await a.hub.members("crowd", { info: true });
  assert.deepEqual([...others.ids].sort(), ids.toSorted());
  assert.deepEqual(others.unreachable, []);
  assert.equal(infos?.get("member 2999"), info);
  assert.equal((await a.hub.members("crowd")).ids.length, ids.length);
  const watch = a.hub.watchPresence("crowd");
  await watch.ready;
  const present = new Set<string>();
  for (const _ of ids) present.add((await watch.next()).value?.id ?? "");
  assert.equal(present.size, ids.length);
});
