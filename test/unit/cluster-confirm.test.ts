/** Guarantee 1 with `confirm`, over the lines between nodes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeshError } from "../../src/base/error.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { V1Client } from "../kit/v1-client.ts";

const LATER = { confirm: true, timeoutMs: 60_000 };

function code(expected: string): (error: MeshError) => boolean {
  return (error) => error.code === expected;
}

/** Connects as "me" to a node, or comes back there. */
async function connect({ hub }: MemoryNode, resume?: string): Promise<V1Client> {
  const client = await V1Client.open(hub, { id: "me" }, resume);
  // Sends from other nodes reach it from now on.
  while (!(await hub.online("me"))) await new Promise((resolve) => setTimeout(resolve, 1));
  return client;
}

test("confirm: a client of another node confirms, and holds up nothing else on the line meanwhile", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const client = await connect(b);
  await b.connect("other");
  const before = a.hub.emit("me", "before");
  const confirmed = a.hub.emit("me", "text", LATER);
  const bytes = a.hub.emit("me", new Uint8Array([1, 2]), LATER);
  const after = a.hub.emit("me", "after");
  assert.deepEqual([await before, await after, await a.hub.emit("other", "hi")], [true, true, true]);
  const got = await client.take(5);
  assert.deepEqual(got, ["before", "text", new Uint8Array([1, 2]), "after", "~sync"]);
  client.send("~ack 2");
  assert.equal(await confirmed, true);
  client.send("~ack 3");
  assert.equal(await bytes, true);
  await leave(client);
});

test("confirm: over a line, a client that was cut and resumed confirms", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(b);
  const confirmed = a.hub.emit("me", "text", LATER);
  await first.take(2);
  first.socket.terminate();
  const second = await connect(b, `0.${first.hello.token}`);
  assert.deepEqual(await second.take(2), ["text", "~sync"]);
  second.send("~ack 1");
  assert.equal(await confirmed, true);
  await leave(second);
});

/** Leaves, so that its node has nobody to wait for. */
async function leave(client: V1Client): Promise<void> {
  client.socket.close(1000);
  await client.closed();
}

for (const where of ["this node", "another node"]) {
  test(`confirm: what goes wrong with a client of ${where}`, async () => {
    await using cluster = new MemoryCluster();
    const nodes = await threeNodes(cluster, { limits: { maxRequestsPerClient: 1 } });
    const [a, b] = nodes;
    const owner = where === "this node" ? a : b;
    assert.equal(await a.hub.emit("nobody", "x", LATER), false);
    await owner.connect("plain");
    await assert.rejects(a.hub.emit("plain", "x", LATER), { code: "failed_precondition", message: /meshsocket\.v1/ });
    const client = await connect(owner);
    const waiting = a.hub.emit("me", "3", LATER);
    await assert.rejects(a.hub.emit("me", "4", LATER), code("resource_exhausted"));
    client.socket.close(1000);
    assert.equal(await waiting, false);
    const silent = await connect(owner);
    await assert.rejects(a.hub.emit("me", "5", { ...LATER, timeoutMs: 60 }), code("deadline_exceeded"));
    await leave(silent);
  });

  test(`confirm: a client of ${where} that moves rejects with unknown, and one there goes on`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b, c] = await threeNodes(cluster);
    const first = await connect(where === "this node" ? a : b);
    const confirmed = a.hub.emit("me", "got", LATER);
    const moved = assert.rejects(a.hub.emit("me", "missed", LATER), code("unknown"));
    await first.take(3);
    const second = await connect(c, `1.${first.hello.token}`);
    assert.equal(await confirmed, true, "the client said when it came that it has this one");
    await moved;
    assert.equal(await second.next(), "missed");
    const there = a.hub.emit("me", "there", LATER);
    assert.deepEqual(await second.take(2), ["there", "~sync"]);
    second.send("~ack 3");
    assert.equal(await there, true);
    await leave(second);
  });
}

test("confirm: sent to a client while its messages are on their way from another node, it counts behind them", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const first = await connect(a);
  first.socket.terminate();
  assert.equal(await a.hub.emit("me", "held"), true);
  const go = cluster.pause(a.host);
  const coming = V1Client.open(b.hub, { id: "me" }, `0.${first.hello.token}`);
  while (b.hub.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const confirmed = b.hub.emit("me", "new", LATER);
  go();
  const second = await coming;
  assert.deepEqual(await second.take(3), ["held", "new", "~sync"]);
  second.send("~ack 1");
  const early = new Promise((resolve) => setTimeout(() => resolve("not yet"), 30));
  assert.equal(await Promise.race([confirmed, early]), "not yet");
  second.send("~ack 2");
  assert.equal(await confirmed, true);
  await leave(second);
});
