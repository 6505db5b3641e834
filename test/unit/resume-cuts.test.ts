/** Guarantee 10 over several nodes, when a node that may send to a client cannot say what it sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/client/session.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

const session: Session = { id: "me", onConnect: (client) => client.subscribe("news") };

/** Connects as "me" to a node, and waits until it listens. */
async function connect({ hub }: MemoryNode): Promise<V1Client> {
  const client = await V1Client.open(hub, session);
  while (hub.topics().length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  return client;
}

test("a client is lost, and told so, if a living node does not say in time what it sent", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { leaseMs: 500, limits: { timeoutMs: 300 } });
  const first = await connect(a);
  first.socket.terminate();
  const found = cluster.lose(c.host);
  const second = await V1Client.open(b.hub, session, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "unknown"]);
  found();
  while (a.hub.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("a client resumes although a node that may have sent to it dies meanwhile", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { leaseMs: 1_500 });
  const first = await connect(a);
  await c.hub.broadcast("last words");
  assert.equal(await first.next(), "last words");
  first.socket.terminate();
  await cluster.kill(c.host);
  const second = await V1Client.open(b.hub, session, `1.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.equal((await a.hub.publish("news", "after it")).delivered, 1);
  assert.equal(await second.next(), "after it");
});

test("a node that joins in the middle of a move is asked as well", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  first.socket.terminate();
  cluster.delay(a.host, 20);
  const coming = V1Client.open(b.hub, session, `0.${first.hello.token}`);
  while (b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const d = await cluster.start();
  const sent = await d.hub.broadcast("from the new node");
  assert.equal(sent.delivered + sent.held, 1);
  const second = await coming;
  assert.equal(second.hello.resumed, true);
  assert.equal(await second.next(), "from the new node");
  assert.deepEqual(second.waiting, []);
});

test("a client that moves neither joins nor leaves, and is a member once", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const changes: string[] = [];
  const watch = c.hub.watchPresence("news", { onEvent: ({ type, id }) => void changes.push(`${type} ${id}`) });
  let client = await connect(a);
  for (const { hub } of [b, c, a, b]) {
    client.socket.terminate();
    client = await V1Client.open(hub, session, `0.${client.hello.token}`);
    assert.equal(client.hello.resumed, true);
    assert.deepEqual((await c.hub.members("news")).ids, ["me"]);
    assert.equal((await c.hub.count("news")).count, 1);
    assert.equal(await a.hub.online("me"), true);
  }
  assert.deepEqual(changes, ["join me"]);
  watch.close();
});

test("a node that begins to close while a client is on its way to it sends that client on", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const first = await connect(a);
  first.socket.terminate();
  assert.equal(await c.hub.emit("me", "one"), true);
  cluster.delay(a.host, 20);
  const coming = V1Client.open(b.hub, session, `0.${first.hello.token}`);
  while (b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const closed = b.hub.close();
  const second = await coming;
  assert.deepEqual([second.hello.resumed, await second.next(), await second.closed()], [true, "one", 1012]);
  const third = await V1Client.open(c.hub, session, `1.${second.hello.token}`);
  assert.equal(third.hello.resumed, true);
  await closed;
});

test("a client that is away when its node begins to close may still come back on another", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  first.socket.terminate();
  while (a.hub.client("me")?.away !== true) await new Promise((resolve) => setTimeout(resolve, 1));
  const closed = a.hub.close();
  assert.equal((await b.hub.publish("news", "meanwhile")).held, 1);
  const second = await V1Client.open(b.hub, session, `0.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, await second.next()], [true, "meanwhile"]);
  await closed;
});

test("a client that comes back to the node which it is just leaving resumes there", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const first = await connect(a);
  first.socket.terminate();
  assert.equal(await c.hub.emit("me", "one"), true);
  cluster.delay(c.host, 30);
  void V1Client.open(b.hub, session, `0.${first.hello.token}`).catch(() => {});
  while (a.hub.client("me")?.away !== true || b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 10));
  const third = await V1Client.open(a.hub, session, `0.${first.hello.token}`);
  assert.deepEqual([third.hello.resumed, await third.next()], [true, "one"]);
});

for (const where of ["same", "another"]) {
  test(`an attempt that arrives late at ${where} node, with a used token, leaves its client free to connect again`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b] = await threeNodes(cluster);
    const first = await connect(a);
    first.socket.terminate();
    const second = await V1Client.open(a.hub, session, `0.${first.hello.token}`);
    second.send("~ack 0");
    const late = await V1Client.open(where === "same" ? a.hub : b.hub, session, `0.${first.hello.token}`);
    assert.deepEqual([late.hello.lost, await second.closed()], ["token", 1013]);
  });
}

test("a client whose new node dies before it took it is given up soon by the old one, with what waits for it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { leaseMs: 60_000, resume: { windowMs: 60_000 } });
  const lost = new Promise<unknown>((resolve) => {
    a.hub.on("lost", ({ reason, undelivered }) => resolve([reason, ...undelivered]));
  });
  const first = await connect(a);
  first.socket.terminate();
  assert.equal(await c.hub.emit("me", "one"), true);
  const found = cluster.lose(c.host);
  void V1Client.open(b.hub, session, `0.${first.hello.token}`).catch(() => {});
  while (a.hub.client("me")?.away !== true || b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await cluster.kill(b.host);
  found();
  assert.deepEqual(await lost, ["replaced", "one"]);
});

test("a client is lost, and told so, if the node on which it came back dies with messages for it before it took it over", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { leaseMs: 1_500 });
  const d = await cluster.start({ leaseMs: 1_500 });
  const first = await connect(a);
  await d.hub.broadcast("one");
  assert.equal(await first.next(), "one");
  first.socket.terminate();
  const go = cluster.pause(d.host);
  void V1Client.open(b.hub, session, `1.${first.hello.token}`).catch(() => {});
  // From the mark of C on, its messages are for the client on B.
  await until(
    "the mark of C",
    async () => (await c.hub.broadcast("two")).held === 1 && a.hub.client("me")?.away === true,
  );
  await until("B to have a message", async () => (await c.hub.emit("me", "three")) && heldAt(b) > 0);
  const killed = cluster.kill(b.host);
  // With it, its own lines to A are gone.
  cluster.cut(a.host);
  go();
  const second = await V1Client.open(c.hub, session, `1.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "unknown"]);
  second.socket.close(1000);
  await killed;
});

/** Bytes of messages that wait for the client on a node. */
function heldAt({ hub }: MemoryNode): number {
  const client = hub.client("me") as unknown as { v1: { ledger: { bytes: number } } } | undefined;
  return client?.v1.ledger.bytes ?? 0;
}
