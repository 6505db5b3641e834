import assert from "node:assert/strict";
import { test } from "node:test";
import type { PresenceEvent, PresenceWatch } from "../../src/hub/presence-watch.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { within } from "../kit/wait.ts";

const onNews: Session = { onConnect: (client) => client.subscribe("news") };

async function take(watch: PresenceWatch, count: number): Promise<string[]> {
  const events: string[] = [];
  while (events.length < count) {
    const { value } = await within(`event ${events.length + 1} of ${count}`, watch.next());
    if (value) events.push(`${value.type} ${value.id}`);
  }
  return events;
}

test("presence: a watch hears who is there, who joins and who leaves, on every node, once each", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await a.connect("local", onNews);
  await b.connect("remote", onNews);
  const watch = a.hub.watchPresence("news");
  assert.deepEqual((await take(watch, 2)).sort(), ["join local", "join remote"]);
  await watch.ready;
  const late = await c.connect("late", onNews);
  assert.deepEqual(await take(watch, 1), ["join late"]);
  await b.hub.unsubscribe("remote", "news");
  assert.deepEqual(await take(watch, 1), ["leave remote"]);
  late.socket.close(1000);
  assert.deepEqual(await take(watch, 1), ["leave late"]);
  watch.close();
  assert.equal((await watch.next()).done, true);
});

test("presence: a member's info travels with it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  await b.connect("bob", { ...onNews, info: { name: "Bob", away: false } });
  const watch = a.hub.watchPresence("news");
  const { value } = await watch.next();
  assert.deepEqual(value, { type: "join", id: "bob", info: { name: "Bob", away: false } });
  const { infos } = await a.hub.members("news", { info: true });
  assert.deepEqual(infos?.get("bob"), { name: "Bob", away: false });
  assert.deepEqual(await a.hub.members("news"), { ids: ["bob"], unreachable: [] });
  assert.deepEqual(await a.hub.count("news"), { count: 1, unreachable: [] });
});

test("presence: an id that moves to a newer connection on another node neither leaves nor joins", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await b.connect("bob", onNews);
  const watch = a.hub.watchPresence("news");
  assert.deepEqual(await take(watch, 1), ["join bob"]);
  await watch.ready;
  await c.connect("bob", onNews);
  await c.connect("carol", onNews);
  assert.deepEqual(await take(watch, 1), ["join carol"]);
});

test("presence: an id whose newer connection stays away leaves after the grace", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ limits: { takeoverGraceMs: 50 } });
  const b = await cluster.start();
  await b.connect("bob", onNews);
  const watch = a.hub.watchPresence("news");
  assert.deepEqual(await take(watch, 1), ["join bob"]);
  await watch.ready;
  await a.connect("bob");
  assert.deepEqual(await take(watch, 1), ["leave bob"]);
});

test("presence: a line that breaks starts again with a snapshot whose difference becomes events", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  await b.connect("stays", onNews);
  await b.connect("goes", onNews);
  const watch = a.hub.watchPresence("news");
  assert.deepEqual((await take(watch, 2)).sort(), ["join goes", "join stays"]);
  await watch.ready;
  cluster.down.add(b.host);
  cluster.cut(b.host);
  await b.hub.unsubscribe("goes", "news");
  await b.connect("comes", onNews);
  cluster.down.delete(b.host);
  assert.deepEqual((await take(watch, 2)).sort(), ["join comes", "leave goes"]);
});

test("presence: the members of a node that dies leave, once each, as soon as its lease ended", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  await a.connect("alice", onNews);
  await b.connect("bob", onNews);
  await b.connect("bea", onNews);
  const watch = a.hub.watchPresence("news");
  assert.equal((await take(watch, 3)).length, 3);
  await cluster.kill(b.host);
  assert.deepEqual((await take(watch, 2)).sort(), ["leave bea", "leave bob"]);
  assert.deepEqual(await a.hub.members("news"), { ids: ["alice"], unreachable: [] });
});

test("presence: a handler hears the same events, and one that throws harms nobody", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const heard: PresenceEvent[] = [];
  const angry = a.hub.watchPresence("news", {
    onEvent() {
      throw new Error("angry");
    },
  });
  const watch = a.hub.watchPresence("news", { onEvent: (event) => heard.push(event) });
  await Promise.all([watch.ready, angry.ready]);
  await b.connect("bob", onNews);
  const third = a.hub.watchPresence("news");
  assert.deepEqual(await take(third, 1), ["join bob"]);
  assert.deepEqual(heard.map(({ type, id }) => `${type} ${id}`), ["join bob"]);
});

test("presence: a reader that lags sees no more than one event per member", async () => {
  await using cluster = new MemoryCluster();
  const [a] = await threeNodes(cluster);
  const watch = a.hub.watchPresence("news");
  await watch.ready;
  const bob = await a.connect("bob");
  for (let round = 0; round < 10; round++) {
    await a.hub.subscribe("bob", "news");
    await a.hub.unsubscribe("bob", "news");
  }
  await a.hub.subscribe("bob", "news");
  assert.deepEqual(await take(watch, 1), ["join bob"]);
  bob.socket.close();
  assert.deepEqual(await take(watch, 1), ["leave bob"]);
});

test("presence: a signal ends a watch, and closing the hub ends them all", async () => {
  const cluster = new MemoryCluster();
  const a = await cluster.start();
  const abort = new AbortController();
  const signaled = a.hub.watchPresence("news", { signal: abort.signal });
  const other = a.hub.watchPresence("news");
  abort.abort();
  assert.equal((await signaled.next()).done, true);
  await cluster[Symbol.asyncDispose]();
  assert.equal((await other.next()).done, true);
});
