import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/client/session.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";
import { clusterNode } from "../../src/distributed/dist-hub.ts";

const onNews: Session = { onConnect: (client) => client.subscribe("news") };

test("presence: a wiped storage makes nobody leave, and a broadcast still reaches everyone meanwhile", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 1_500 });
  // Its renewals are rarer: it notices the wipe after the other.
  const b = await cluster.start({ leaseMs: 3_000 });
  await b.connect("bob", onNews);
  const heard: string[] = [];
  const watch = a.hub.watchPresence("news", { onEvent: ({ type, id }) => heard.push(`${type} ${id}`) });
  await watch.ready;
  const generation = (await storage.renew({ host: "x:1", life: "x" }, 1)).generation;
  storage.wipe();
  a.hub.on("nodeleave", ({ node }) => heard.push(`gone ${node.host}`));
  await until(
    "the first node to notice the wipe",
    async () => (await storage.living()).some(({ host }) => host === a.host),
  );
  assert.notEqual((await storage.renew({ host: "x:1", life: "x" }, 1)).generation, generation);
  assert.equal((await a.hub.broadcast("hi")).delivered, 1);
  assert.equal((await a.hub.publish("news", "hi")).delivered, 1);
  assert.deepEqual(heard, ["join bob"]);
  await until("the second node to write again", async () => (await storage.subscribers("news")).length === 1);
  assert.deepEqual(heard, ["join bob"]);
});

test("presence: a node that died in a wipe is still noticed", async () => {
  const storage = new MemoryStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  await b.connect("bob", onNews);
  const watch = a.hub.watchPresence("news");
  assert.equal((await watch.next()).value?.type, "join");
  const killed = cluster.kill(b.host);
  storage.wipe();
  await killed;
  assert.deepEqual(await within("the leave", watch.next()), {
    done: false,
    value: { type: "leave", id: "bob", info: undefined },
  });
});

test("presence: nobody who is said to listen on a node that is gone is ever followed there", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  await b.connect("bob", onNews);
  const watch = a.hub.watchPresence("news");
  assert.equal((await watch.next()).value?.type, "join");
  const { holder } = b.hub;
  assert.ok(holder);
  await cluster.kill(b.host);
  assert.equal((await within("the leave", watch.next())).value?.type, "leave");
  // An announcement that was on its way for long.
  clusterNode(a.hub).cluster.topics.presence.announced("news", holder);
  const calls = (): number => cluster.calls.filter((call) => call === `${b.host} Presence`).length;
  const before = calls();
  const c = await cluster.start();
  await c.connect("carol", onNews);
  assert.equal((await watch.next()).value?.id, "carol");
  assert.equal(calls(), before);
});

test("presence: two readers of one watch share its events, and none waits for ever", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start();
  const watch = a.hub.watchPresence("news");
  const both = [watch.next(), watch.next()];
  await a.connect("bob", onNews);
  await a.connect("carol", onNews);
  const ids = (await within("both events", Promise.all(both))).map(({ value }) => value?.id);
  assert.deepEqual(new Set(ids), new Set(["bob", "carol"]));
});

test("presence: a watch that starts after the storage came back is ready, although an earlier one was not", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start();
  const b = await cluster.start();
  await b.connect("bob", onNews);
  cluster.storageDown = true;
  const early = a.hub.watchPresence("news");
  await assert.rejects(early.ready, { code: "unavailable" });
  cluster.storageDown = false;
  const late = a.hub.watchPresence("news");
  await late.ready;
  assert.equal((await late.next()).value?.id, "bob");
  assert.equal((await early.next()).value?.id, "bob");
});
