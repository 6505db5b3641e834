/** Guarantee 10 where the node that the storage names does not have the client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterNode } from "../../src/distributed/dist-hub.ts";
import { upgradeRequest } from "../kit/memory-client.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

/** The client "me" connects to a node and goes away: the offer with which it may come back. */
async function offerFrom({ hub }: MemoryNode): Promise<string> {
  const client = await V1Client.open(hub, { id: "me" });
  client.socket.terminate();
  return `0.${client.hello.token}`;
}

/** An upgrade of "me" that comes to nothing after its claim was granted: `cancel` gives the claim up. */
async function claimInVain({ hub }: MemoryNode, resume: string): Promise<{ cancel(): void }> {
  const offers = `meshsocket.v1, meshsocket.resume.${resume}`;
  const admission = await hub.admit(upgradeRequest(undefined, offers), () => ({ id: "me" }), { remoteAddress: "" });
  if (admission instanceof Response) throw new Error(`refused with ${admission.status}`);
  return admission;
}

for (const [given, how] of [[false, "holds its claim yet"], [true, "gave its claim up"]] as const) {
  test(`a client resumes behind an attempt that came to nothing on a node which ${how}`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b, c] = await threeNodes(cluster);
    const first = await V1Client.open(a.hub, { id: "me", onConnect: (client) => client.subscribe("news") });
    while ((await c.hub.publish("news", "one")).delivered === 0);
    first.socket.terminate();
    const offer = `0.${first.hello.token}`;
    const vain = await claimInVain(b, offer);
    if (given) {
      vain.cancel();
      while ((await cluster.storage.get(["me"]))[0]) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const second = await V1Client.open(c.hub, { id: "me" }, offer);
    assert.deepEqual([second.hello.resumed, second.hello.lost], [true, undefined]);
    assert.equal(await second.next(), "one");
    assert.equal((await b.hub.publish("news", "two")).delivered, 1);
    assert.equal(await b.hub.emit("me", "three"), true);
    assert.deepEqual(await second.take(2), ["two", "three"]);
    assert.deepEqual([a.hub.size, b.hub.size, c.hub.size], [0, 0, 1]);
    if (!given) vain.cancel();
    assert.equal(await a.hub.emit("me", "four"), true);
    second.socket.close(1000);
  });
}

test("a client resumes on the node whose own attempt before came to nothing", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const offer = await offerFrom(a);
  const vain = await claimInVain(b, offer);
  const second = await V1Client.open(b.hub, { id: "me" }, offer);
  assert.equal(second.hello.resumed, true);
  vain.cancel();
  assert.equal(await a.hub.emit("me", "one"), true);
  assert.equal(await second.next(), "one");
  second.socket.close(1000);
});

test("a client that another node claimed is kept until that node asks for it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const offer = await offerFrom(a);
  const slow = await claimInVain(b, offer);
  // As the renewals of its lease do, one of which may come between the claim and the question.
  await a.hub.audit();
  assert.equal(a.hub.size, 1);
  slow.cancel();
  const second = await V1Client.open(b.hub, { id: "me" }, offer);
  assert.equal(second.hello.resumed, true);
  second.socket.close(1000);
});

test("a client is lost, and told so, if the node that was taking it over dies: that one may have taken messages for it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { leaseMs: 1_500, limits: { timeoutMs: 500 } });
  const offer = await offerFrom(a);
  // Node C does not make its cut, so that the client stays on its way from A to B.
  const found = cluster.lose(c.host);
  const coming = V1Client.open(b.hub, { id: "me" }, offer).catch(() => {});
  await until("the client to be on its way", () => b.hub.size === 1);
  for (let sent = 0; sent < 20; sent++) {
    assert.equal(await a.hub.emit("me", `${sent}`), true);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await cluster.kill(b.host);
  found();
  const second = await V1Client.open(c.hub, { id: "me" }, offer);
  assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "unknown"]);
  assert.equal(await a.hub.emit("me", "new"), true);
  assert.equal(await second.next(), "new");
  assert.deepEqual([a.hub.size, c.hub.size], [0, 1]);
  await coming;
  second.socket.close(1000);
});

test("a client is told to come again while its node lives and does not answer, before it may begin as a new one", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster, { leaseMs: 600, limits: { timeoutMs: 300 } });
  const offer = await offerFrom(a);
  const go = cluster.pause(a.host);
  await assert.rejects(V1Client.open(b.hub, { id: "me" }, offer), /close with 1013/);
  go();
  const second = await V1Client.open(b.hub, { id: "me" }, offer);
  for (const { hub } of [a, b, c]) assert.equal(await hub.emit("me", "here?"), true);
  assert.deepEqual(await second.take(3), ["here?", "here?", "here?"]);
  second.socket.close(1000);
});

test("a client whose new node cannot send a message on to the old one does not resume: what follows would overtake it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster);
  const { moving } = clusterNode(b.hub).cluster;
  const move = moving.moves.arrives({ id: "me", user: undefined, open: true }, 5n);
  move.old = clusterNode(a.hub).cluster.holder;
  cluster.down.add(a.host);
  const sent = b.hub.emit("me", "one");
  await until("it to be tried", () => move.failed);
  await move.settled();
  assert.deepEqual([move.kept, move.failed], [1, true]);
  cluster.down.delete(a.host);
  moving.moves.end("me");
  assert.equal(await sent, false);
});

test("a message is sent on to an old node to which the client is still on its way", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const offer = await offerFrom(a);
  const go = cluster.pause(a.host);
  const first = V1Client.open(b.hub, { id: "me" }, offer);
  await until("it to be on its way to b", () => b.hub.size === 1);
  const second = V1Client.open(c.hub, { id: "me" }, offer);
  await until("it to be on its way to c", () => c.hub.size === 1);
  const move = clusterNode(c.hub).cluster.moving.moves.get("me");
  const sent = c.hub.emit("me", "one", { timeoutMs: 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([move?.sends, move?.kept], [1, 0]);
  go();
  await first.catch(() => {});
  const client = await second;
  assert.deepEqual([client.hello.resumed, await sent, await client.next()], [true, true, "one"]);
  client.socket.close(1000);
});

test("a client does not resume if a sender went on in another life in the middle of its move", async () => {
  await using cluster = new MemoryCluster();
  const options = { leaseMs: 600, limits: { timeoutMs: 5_000 } };
  const [a, b, c] = await threeNodes(cluster, options);
  const d = await cluster.start(options);
  const offer = await offerFrom(a);
  const { cluster: sender } = clusterNode(c.hub);
  const go = cluster.pause(d.host);
  const coming = V1Client.open(b.hub, { id: "me" }, offer);
  const { moves } = clusterNode(b.hub).cluster.moving;
  await until("the sender to have made its cut", () => moves.get("me")?.marked.has(sender.holder.life) === true);
  assert.equal((await c.hub.broadcast("one", { timeoutMs: 200 })).held, 1);
  const { life } = sender.holder;
  cluster.silenced.add(c.host);
  await until(
    "its lease to be over",
    () => !clusterNode(b.hub).cluster.neighbours.nodes().some((node) => node.life === life),
  );
  cluster.silenced.delete(c.host);
  await until("it to go on in another life", () => sender.holder.life !== life);
  await until(
    "it to reach the old node",
    async () => (await c.hub.broadcast("two", { timeoutMs: 200 })).held === 1,
  );
  go();
  const second = await coming;
  assert.deepEqual([second.hello.resumed, second.hello.lost], [false, "unknown"]);
  second.socket.close(1000);
});

test("a client on its way is given up by an old node that begins another life: nobody asks that one for it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { leaseMs: 600, resume: { windowMs: 60_000 } });
  const lost: unknown[] = [];
  a.hub.on("lost", ({ reason, undelivered }) => lost.push([reason, ...undelivered]));
  const offer = await offerFrom(a);
  assert.equal(await a.hub.emit("me", "one"), true);
  const { cluster: old } = clusterNode(a.hub);
  const token = offer.slice(2);
  const claim = (a.hub.client("me") as unknown as { claim: bigint }).claim + 1n;
  const { handover } = old.neighbours.evict("me", claim, { token, received: 0, user: undefined });
  assert.equal(handover?.waits, true);
  const { life } = old.holder;
  cluster.silenced.add(a.host);
  const living = (): boolean => clusterNode(b.hub).cluster.neighbours.nodes().some((node) => node.life === life);
  await until("its lease to be over", () => !living());
  const second = await V1Client.open(b.hub, { id: "me" }, offer);
  assert.equal(second.hello.lost, "unknown");
  cluster.silenced.delete(a.host);
  await until("it to go on in another life", () => old.holder.life !== life);
  assert.deepEqual(lost, [["replaced", "one"]]);
  await until("it to send to the client on its new node", () => a.hub.emit("me", "two").catch(() => false));
  assert.equal(await second.next(), "two");
  second.socket.close(1000);
});

test("a message to a client whose old node is looked for waits until that is known", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const offer = await offerFrom(a);
  const vain = await claimInVain(b, offer);
  const go = cluster.pause(a.host);
  const coming = V1Client.open(c.hub, { id: "me" }, offer);
  await until("it to be looked for", () => c.hub.size === 1 && a.hub.client("me")?.away === true);
  const sent = b.hub.emit("me", "one");
  await new Promise((resolve) => setTimeout(resolve, 50));
  go();
  const second = await coming;
  assert.deepEqual([second.hello.resumed, await sent, await second.next()], [true, true, "one"]);
  vain.cancel();
  second.socket.close(1000);
});
