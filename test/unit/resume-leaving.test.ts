/** Guarantee 10 for clients that are away when their node leaves: another node waits for them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { adoptionOf, type AwayClient } from "../../src/client/resume/adoption.ts";
import { clusterNode } from "../../src/distributed/dist-hub.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

/** Connects as "me" to a node, and goes away once it got "one". */
async function away(node: MemoryNode, session: Session = {}): Promise<V1Client> {
  const onConnect: Session["onConnect"] = (client) => client.subscribe("news");
  const client = await V1Client.open(node.hub, { id: "me", user: "alice", info: { name: "A" }, onConnect, ...session });
  await until("it to listen", () => node.hub.topics().includes("news"));
  await node.hub.emit(client.hello.id, "one");
  assert.equal(await client.next(), "one");
  client.socket.terminate();
  return client;
}

const LIMITS = { limits: { timeoutMs: 500 } };

test("a node that is closed hands its away clients to another node, where they are online and come back, or move on", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, LIMITS);
  const ended: string[] = [];
  const first = await away(a, { onDisconnect: () => void ended.push("a") });
  assert.equal(await b.hub.emit("me", "two"), true);
  await a.hub.close();
  assert.deepEqual(ended, []);
  assert.deepEqual([b.hub.size + c.hub.size, await b.hub.online("me"), await c.hub.online("me")], [1, true, true]);
  const { infos } = await b.hub.members("news", { info: true });
  assert.deepEqual(infos?.get("me"), { name: "A" });
  assert.equal(await c.hub.emit("me", "three"), true);
  assert.equal((await b.hub.publish("news", "four")).held, 1);
  assert.equal((await c.hub.user("alice").emit("five")).held, 1);
  const resumed: string[] = [];
  const session: Session = { id: "me", user: "alice", onResume: () => void resumed.push("b") };
  const second = await V1Client.open(b.hub, session, `1.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [true, undefined]);
  assert.deepEqual(await second.take(4), ["two", "three", "four", "five"]);
  assert.equal((await c.hub.publish("news", "six")).delivered, 1);
  assert.equal(await second.next(), "six");
  assert.deepEqual(resumed, ["b"]);
  second.socket.close(1000);
});

test("a client that a node took over and that does not come back is lost there, with what it never acknowledged", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start(LIMITS);
  const b = await cluster.start({ ...LIMITS, resume: { windowMs: 1_000 } });
  const lost: (readonly unknown[])[] = [];
  b.hub.on("lost", ({ client: { id }, reason, undelivered }) => void lost.push([id, reason, ...undelivered]));
  await away(a);
  assert.equal(await b.hub.emit("me", "two"), true);
  await a.hub.close();
  assert.equal(b.hub.size, 1);
  await until("the client to be lost", () => lost.length > 0);
  assert.deepEqual(lost, [["me", "window", "one", "two"]]);
  assert.equal(await b.hub.online("me"), false);
  assert.equal(b.hub.size, 0);
});

test("a client whose session has an end loses it on the node that took it over, at that time", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(LIMITS), await cluster.start(LIMITS)];
  const lost: string[] = [];
  b.hub.on("lost", ({ reason }) => void lost.push(reason));
  await away(a, { expiresAt: Date.now() + 5_000 });
  await a.hub.close();
  assert.equal(b.hub.size, 1);
  await until("the client to be lost", () => lost.length > 0);
  assert.deepEqual(lost, ["expired"]);
});

test("a token that the client has not used yet is as good on the node that took it over as the newer one", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, LIMITS);
  const first = await away(a);
  // It comes back, and its connection breaks before it knows.
  const unheard = await V1Client.open(a.hub, { id: "me", user: "alice" }, `1.${first.hello.token}`);
  unheard.socket.terminate();
  await a.hub.close();
  const second = await V1Client.open(b.hub, { id: "me", user: "alice" }, `1.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  second.socket.close(1000);
});

test("a node that leaves as well hands on the clients that it took over", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, LIMITS);
  const first = await away(a, { id: undefined });
  await a.hub.close();
  await b.hub.close();
  assert.equal(c.hub.size, 1);
  const second = await V1Client.open(c.hub, { user: "alice" }, `1.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.equal(second.hello.id, first.hello.id);
  second.socket.close(1000);
});

test("a node that leaves answers first what it took: its last client is not lost on the way", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(LIMITS), await cluster.start(LIMITS)];
  const first = await away(a);
  cluster.delay(a.host, 40);
  const closed = a.hub.close();
  const second = await V1Client.open(b.hub, { id: "me", user: "alice" }, `1.${first.hello.token}`);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [true, undefined]);
  await closed;
  second.socket.close(1000);
});

test("a client that is closed on its way to another node leaves what it never got in the events lost", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(LIMITS), await cluster.start(LIMITS)];
  const lost: string[] = [];
  for (const { hub } of [a, b]) hub.on("lost", ({ undelivered }) => void lost.push(...undelivered.map(String)));
  const ids = Array.from({ length: 10 }, (_, number) => `${number}`);
  for (const id of ids) await away(a, { id });
  for (const id of ids) assert.equal(await b.hub.emit(id, `two for ${id}`), true);
  cluster.delay(a.host, 40);
  const closed = a.hub.close();
  // Each at another moment of its way.
  for (const id of ids) {
    await until("it to be on its way", () => b.hub.client(id) !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    b.hub.client(id)?.close();
  }
  await closed;
  await until("what they never got", () => lost.length >= 2 * ids.length);
  assert.deepEqual(lost.toSorted((one, other) => one.localeCompare(other)), [
    ...ids.map(() => "one"),
    ...ids.map((id) => `two for ${id}`),
  ]);
});

test("a node that is closed hands its away clients to another node also where the oldest client of an id stays", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { ...LIMITS, duplicateIds: "oldest" });
  const first = await away(a);
  await a.hub.close();
  assert.equal(b.hub.size + c.hub.size, 1);
  const second = await V1Client.open(c.hub, { id: "me", user: "alice" }, `1.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  second.socket.close(1000);
});

for (const gone of [false, true]) {
  const what = gone ? "and left that one since, comes over with its newest token" : "stays there, whole";
  test(`a client that came back on a third node before another one could take it over ${what}`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b, c] = await threeNodes(cluster, LIMITS);
    const lost: string[] = [];
    for (const { hub } of [a, b, c]) hub.on("lost", ({ reason }) => void lost.push(reason));
    const first = await away(a);
    await until("it to be away", () => a.hub.client("me")?.away === true);
    const adoption = adoptionOf(a.hub.client("me") as unknown as AwayClient);
    assert.ok(adoption);
    const session: Session = { id: "me", user: "alice" };
    let client = await V1Client.open(c.hub, session, `1.${first.hello.token}`);
    if (gone) client.socket.terminate();
    if (gone) await until("it to be away", () => c.hub.client("me")?.away === true);
    const entry = async () => (await cluster.storage.get(["me"]))[0];
    const before = await entry();
    assert.equal(clusterNode(b.hub).cluster.incoming.adopt(adoption), true);
    // The claim of B, and that of C with which it keeps its client.
    const claims = gone ? 1n : 2n;
    await until(
      "B to have taken it, or not",
      async () => ((await entry())?.claim ?? 0n) >= (before?.claim ?? 0n) + claims,
    );
    await until("one node to have it", () => b.hub.size + c.hub.size === 1);
    assert.deepEqual([b.hub.size, (await entry())?.host], gone ? [1, b.host] : [0, c.host]);
    assert.equal(await a.hub.emit("me", "two"), true);
    if (gone) client = await V1Client.open(a.hub, session, `1.${client.hello.token}`);
    assert.deepEqual([client.hello.resumed, await client.next(), lost], [true, "two", []]);
    client.socket.close(1000);
  });
}
