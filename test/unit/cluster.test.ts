import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseCode } from "../../src/base/close-code.ts";
import type { MeshError } from "../../src/base/error.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { WatchedStorage } from "../kit/watched-storage.ts";

test("cluster: an emit reaches a client on another node and says so", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const alice = await b.connect("alice");
  assert.equal(await a.hub.emit("alice", "hi"), true);
  assert.equal(await alice.next(), "hi");
  assert.equal(await a.hub.emit("alice", new Uint8Array([0, 255, 128])), true);
  assert.deepEqual(await alice.next(), new Uint8Array([0, 255, 128]));
});

test("cluster: an emit to an id that nobody has is false", async () => {
  await using cluster = new MemoryCluster();
  const [a] = await threeNodes(cluster);
  assert.equal(await a.hub.emit("nobody", "hi"), false);
  assert.equal(await a.hub.online("nobody"), false);
});

test("cluster: online is right before and after a disconnect", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  assert.equal(await a.hub.online("alice"), false);
  const alice = await b.connect("alice");
  assert.equal(await a.hub.online("alice"), true);
  assert.equal(await b.hub.online("alice"), true);
  alice.socket.close(1000);
  await alice.closed();
  assert.equal(await a.hub.online("alice"), false);
  assert.equal(await a.hub.emit("alice", "hi"), false);
});

test("cluster: a broadcast counts every client once and leaves out the excepted on any node", async () => {
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster);
  const clients = await Promise.all(nodes.map((node, index) => node.connect(`client-${index}`)));
  assert.deepEqual(await nodes[0].hub.broadcast("all"), { delivered: 3, held: 0, dropped: 0, unreachable: [] });
  for (const client of clients) assert.equal(await client.next(), "all");
  const except = ["client-1", "client-0"];
  assert.deepEqual(await nodes[2].hub.broadcast("some", { except }), {
    delivered: 1,
    held: 0,
    dropped: 0,
    unreachable: [],
  });
  assert.equal(await clients[2]?.next(), "some");
  assert.deepEqual(clients[0]?.waiting, []);
});

test("cluster: a broadcast names the host that could not be reached", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await b.connect("alice");
  await c.connect("bob");
  cluster.down.add(c.host);
  assert.deepEqual(await a.hub.broadcast("all"), { delivered: 1, held: 0, dropped: 0, unreachable: [c.host] });
});

test("cluster: known routes cost no storage command, and a moved one costs one", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const [a, b, c] = await threeNodes(cluster);
  await b.connect("alice");
  await a.hub.emit("alice", "first");
  storage.commands.length = 0;
  for (let index = 0; index < 100; index++) assert.equal(await a.hub.emit("alice", "more"), true);
  for (let index = 0; index < 10; index++) await a.hub.broadcast("all");
  assert.deepEqual(storage.commands, []);
  await c.connect("alice");
  assert.equal(await a.hub.emit("alice", "moved"), true);
  assert.deepEqual(storage.commands, ["get"]);
  assert.equal(await a.hub.emit("alice", "again"), true);
  assert.deepEqual(storage.commands, ["get"]);
});

test("cluster: an emit to a client on B makes no call at C", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  await b.connect("alice");
  cluster.calls.length = 0;
  assert.equal(await a.hub.emit("alice", "hi"), true);
  assert.deepEqual(cluster.calls.filter((call) => call.startsWith(c.host)), []);
});

test("cluster: the newer connection of an id wins everywhere and the older is closed with 4409", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const older = await a.connect("alice");
  assert.equal(await c.hub.emit("alice", "one"), true);
  assert.equal(await older.next(), "one");
  const newer = await b.connect("alice");
  assert.equal((await older.closed()).code, CloseCode.Replaced);
  for (const node of [a, b, c]) assert.equal(await node.hub.emit("alice", node.host), true);
  assert.deepEqual(await newer.take(3), [a.host, b.host, c.host]);
});

test("cluster: of many connections of one id at the same time exactly one stays", async () => {
  await using cluster = new MemoryCluster();
  const nodes = await threeNodes(cluster);
  const attempts = Array.from({ length: 12 }, (_, index) => (nodes[index % 3] ?? nodes[0]).connect("alice"));
  await Promise.allSettled(attempts);
  const size = (): number => nodes.reduce((sum, { hub }) => sum + hub.size, 0);
  await until("one connection stays", () => size() === 1);
  for (const { hub } of nodes) assert.equal(await hub.emit("alice", "you"), true);
});

test("cluster: a late release never erases a newer claim", async () => {
  const storage = new WatchedStorage();
  const held = Promise.withResolvers<void>();
  storage.releases = held.promise;
  await using cluster = new MemoryCluster(storage);
  const [a, b, c] = await threeNodes(cluster);
  const older = await a.connect("alice");
  older.socket.close(1000);
  await older.closed();
  const newer = await b.connect("alice");
  held.resolve();
  await a.connect("someone");
  assert.equal(await c.hub.emit("alice", "still here"), true);
  assert.equal(await newer.next(), "still here");
});

test("cluster: with the oldest winning, a newer connection is refused with 409 on any node", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ duplicateIds: "oldest" });
  const b = await cluster.start({ duplicateIds: "oldest" });
  const older = await a.connect("alice");
  await assert.rejects(b.connect("alice"), /refused with 409/);
  await assert.rejects(a.connect("alice"), /refused with 409/);
  assert.equal(await b.hub.emit("alice", "still"), true);
  assert.equal(await older.next(), "still");
});

test("cluster: messages of mixed verbs arrive in call order, none twice, across a cut link", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const alice = await b.connect("alice", { onConnect: (client) => client.subscribe("news") });
  await a.hub.emit("alice", "route");
  await a.hub.publish("news", "route");
  await alice.take(2);
  const sends: Promise<unknown>[] = [];
  const count = 3_000;
  for (let index = 0; index < count; index++) {
    const text = String(index);
    if (index % 3 === 0) sends.push(a.hub.emit("alice", text));
    else if (index % 3 === 1) sends.push(a.hub.broadcast(text));
    else sends.push(a.hub.publish("news", text));
    if (index % 500 === 250) {
      await Promise.race([sends.at(-1), new Promise((resolve) => setTimeout(resolve, 1))]);
      cluster.cut(b.host);
    }
  }
  const results = await Promise.allSettled(sends);
  assert.deepEqual(results.filter(({ status }) => status === "rejected"), []);
  assert.deepEqual(await alice.take(count), Array.from({ length: count }, (_, index) => String(index)));
  assert.deepEqual(alice.waiting, []);
});

test("cluster: sends that wait for one look-up keep their order", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const alice = await b.connect("alice");
  const sends = Array.from({ length: 200 }, (_, index) => a.hub.emit("alice", String(index)));
  assert.ok((await Promise.all(sends)).every(Boolean));
  assert.deepEqual(await alice.take(200), Array.from({ length: 200 }, (_, index) => String(index)));
});

test("cluster: a send that starts after onConnect settled never joins an older look-up that found nobody", async () => {
  const storage = new WatchedStorage();
  const answers: (() => void)[] = [];
  await using cluster = new MemoryCluster(storage);
  const [a, b] = await threeNodes(cluster);
  const get = storage.get.bind(storage);
  const asked = Promise.withResolvers<void>();
  storage.get = async (ids) => {
    const found = await get(ids);
    await new Promise<void>((resolve) => {
      answers.push(resolve);
      asked.resolve();
    });
    return found;
  };
  const early = a.hub.emit("alice", "early");
  await asked.promise;
  const alice = await b.connect("alice");
  const late = a.hub.emit("alice", "late");
  storage.get = get;
  answers.shift()?.();
  assert.equal(await early, false);
  assert.equal(await late, true);
  assert.equal(await alice.next(), "late");
});

test("cluster: when the owner cannot be reached emit rejects with unavailable, and nothing is claimed delivered", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  await b.connect("alice");
  cluster.down.add(b.host);
  await assert.rejects(a.hub.emit("alice", "hi"), (error: MeshError) => error.code === "unavailable");
});

test("cluster: a node that announced its end still serves the whole cluster, and then hands its clients over", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const alice = await b.connect("alice");
  const closed = b.hub.close({ announceMs: 1_000 });
  assert.equal(b.hub.status, "draining");
  assert.equal(await a.hub.emit("alice", "hi"), true);
  assert.equal(await alice.next(), "hi");
  const bob = await b.connect("bob");
  assert.equal(await b.hub.emit("bob", "hi"), true);
  assert.equal(await a.hub.online("bob"), true);
  assert.equal((await bob.closed()).code, CloseCode.ServiceRestart);
  await closed;
  assert.equal(await a.hub.online("alice"), false);
});

test("cluster: a node that closed is forgotten by the others at once", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  await b.connect("alice");
  await a.hub.emit("alice", "hi");
  await b.hub.close();
  assert.equal(await a.hub.emit("alice", "hi"), false);
  assert.equal(a.hub.nodes().length, 2);
  assert.deepEqual((await a.hub.broadcast("all")).unreachable, []);
});

test("cluster: disconnect closes a client of another node with its code and reason", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const alice = await b.connect("alice");
  assert.equal(await a.hub.disconnect("alice", 4000, "bye"), true);
  const { code, reason } = await alice.closed();
  assert.deepEqual({ code, reason }, { code: 4000, reason: "bye" });
  assert.equal(await a.hub.disconnect("alice"), false);
});

test("cluster: a wiped storage is filled again by the nodes themselves", async () => {
  const storage = new WatchedStorage();
  await using cluster = new MemoryCluster(storage);
  const a = await cluster.start({ leaseMs: 300 });
  const b = await cluster.start({ leaseMs: 300 });
  const alice = await b.connect("alice", { onConnect: (client) => client.subscribe("news") });
  storage.wipe();
  await until("the claims are back", async () => {
    return (await storage.get(["alice"]))[0] !== undefined && (await storage.subscribers("news")).length === 1;
  });
  assert.equal(await a.hub.emit("alice", "hi"), true);
  assert.equal(await alice.next(), "hi");
  assert.equal((await a.hub.publish("news", "topic")).delivered, 1);
});

test("cluster: verbs before joining reject with failed_precondition, bad arguments with invalid_argument", async () => {
  await using cluster = new MemoryCluster();
  const { hub } = await cluster.start();
  const bad: [string, () => Promise<unknown>][] = [
    ["an empty id", () => hub.emit("", "x")],
    ["a number as id", () => hub.emit(7 as never, "x")],
    ["a lone surrogate", () => hub.emit("\ud800", "x")],
    ["an object as message", () => hub.emit("a", { hello: 1 } as never)],
    ["a string as except", () => hub.broadcast("x", { except: "bob" })],
    ["a timeout of 0", () => hub.emit("a", "x", { timeoutMs: 0 })],
    ["a close code of 1006", () => hub.disconnect("a", 1006)],
    ["an empty topic", () => hub.publish("", "x")],
  ];
  for (const [what, call] of bad) {
    await assert.rejects(call(), (error: { code?: string }) => {
      assert.ok(error instanceof TypeError, what);
      assert.equal(error.code, "invalid_argument", what);
      return true;
    });
  }
  await assert.rejects(
    hub.emit("a", "x".repeat(hub.limits.maxMessageBytes + 1)),
    (error: MeshError) => error.code === "resource_exhausted",
  );
});
