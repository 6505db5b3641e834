/** Guarantee 10 for handlers that still run on the node that their client left, or is leaving. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import type { Session } from "../../src/client/session.ts";
import { clusterNode } from "../../src/distributed/dist-hub.ts";
import { MemoryClient } from "../../src/testing/memory-client.ts";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

/** A client of A, as A's handlers have it, while it is on its way to B or, if it `left`, after that. */
async function moving(cluster: MemoryCluster, left: boolean, session: Session = {}) {
  const [a, b, c] = await threeNodes(cluster);
  const first = await V1Client.open(a.hub, { id: "me", ...session });
  await until("other nodes to reach it", () => c.hub.online("me"));
  const client = a.hub.client("me");
  assert.ok(client);
  first.socket.terminate();
  const go = cluster.pause(a.host);
  const coming = V1Client.open(b.hub, { id: "me", ...session }, `0.${first.hello.token}`);
  await until("it to be on its way", () => (client as unknown as { leaving: boolean }).leaving);
  if (!left) return { a, b, c, client, first, coming, go };
  go();
  await coming;
  return { a, b, c, client, first, coming, go };
}

/** The client's connection on its new node. */
async function arrived({ coming }: { readonly coming: Promise<V1Client> }): Promise<V1Client> {
  const client = await coming;
  assert.deepEqual([client.hello.resumed, client.hello.lost], [true, undefined]);
  return client;
}

const SCENES = [[false, "is leaving"], [true, "has left"]] as const;

for (const [left, how] of SCENES) {
  test(`a client that ${how} its node listens on its new one on what a handler of the old one makes it`, async () => {
    await using cluster = new MemoryCluster();
    const scene = await moving(cluster, left);
    const subscribed = scene.client.subscribe(["news", "games"]);
    scene.go();
    const second = await arrived(scene);
    await subscribed;
    for (const topic of ["news", "games"]) assert.equal((await scene.c.hub.publish(topic, topic)).delivered, 1);
    assert.deepEqual(await second.take(2), ["news", "games"]);
    await scene.client.unsubscribe("news");
    assert.equal((await scene.c.hub.publish("news", "nobody listens")).delivered, 0);
  });

  test(`a client that ${how} its node gets on its new one what a handler of the old one sends`, async () => {
    await using cluster = new MemoryCluster();
    const scene = await moving(cluster, left);
    const sent = scene.client.emit("late");
    scene.go();
    const second = await arrived(scene);
    assert.equal(await sent, true);
    assert.equal(await second.next(), "late");
  });

  test(`a client that ${how} its node is closed on its new one by a handler of the old one, with its code`, async () => {
    await using cluster = new MemoryCluster();
    const scene = await moving(cluster, left);
    scene.client.close(4403, "banned");
    scene.go();
    const closed = await scene.coming.then((second) => second.closed(), String);
    assert.match(String(closed), /4403/);
    await until("it to be gone", () => scene.a.hub.size + scene.b.hub.size === 0);
  });
}

test("a client that is leaving hears that a subscription of its own did not hold, and makes it again", async () => {
  await using cluster = new MemoryCluster();
  const allow = Promise.withResolvers<boolean>();
  const asked = Promise.withResolvers<Client>();
  const session: Session = {
    onSubscribe(client) {
      asked.resolve(client);
      return allow.promise;
    },
  };
  const [a, b, c]: readonly MemoryNode[] = await threeNodes(cluster);
  assert.ok(a && b && c);
  const first = await V1Client.open(a.hub, { id: "me", ...session });
  first.send('~subscribe 1 {"topic":"news"}');
  const client = await asked.promise;
  first.socket.terminate();
  const go = cluster.pause(a.host);
  const coming = V1Client.open(b.hub, { id: "me", ...session }, `0.${first.hello.token}`);
  await until("it to be on its way", () => (client as unknown as { leaving: boolean }).leaving);
  allow.resolve(true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  go();
  const second = await arrived({ coming });
  assert.match(String(await second.next()), /^~error 1 \{"code":"unknown"/);
  second.send('~subscribe 2 {"topic":"news"}');
  assert.equal(await second.next(), "~subscribed 2 {}");
  assert.equal((await c.hub.publish("news", "one")).delivered, 1);
});

test("a connection whose client has too much unacknowledged to move is cut, and its late messages are not handled", async () => {
  await using cluster = new MemoryCluster();
  const heard: string[] = [];
  const session: Session = { id: "me", onEvent: (_, message) => void heard.push(String(message)) };
  const a = await cluster.start({ resume: { maxBytes: 1_000 } });
  const first = await V1Client.open(a.hub, session);
  const { claim } = a.hub.client("me") as unknown as { claim: bigint };
  const sent = Array.from({ length: 30 }, () => a.hub.emit("me", "x".repeat(100)));
  // In the same tick: what was sent is not written yet.
  const offer = { token: first.hello.token, received: 0, user: undefined };
  const { handover } = clusterNode(a.hub).cluster.neighbours.evict("me", claim + 1n, offer);
  assert.equal(handover?.refusal, "overflow");
  first.send("late");
  assert.equal(await first.closed(), 1006);
  assert.deepEqual(heard, []);
  await Promise.all(sent);
});

test("a client that loses its connection on its way to a node that closes is away there, and moves on", async () => {
  await using cluster = new MemoryCluster();
  const options = { limits: { timeoutMs: 500 } };
  const [a, b, c] = await threeNodes(cluster, options);
  const lost: string[] = [];
  for (const { hub } of [a, b, c]) hub.on("lost", ({ reason }) => void lost.push(reason));
  const first = await V1Client.open(a.hub, { id: "me" });
  first.socket.terminate();
  const go = cluster.pause(a.host);
  const offer = `meshsocket.v1, meshsocket.resume.0.${first.hello.token}`;
  const headers = { "sec-websocket-protocol": offer };
  const second = await MemoryClient.connect(b.hub, () => ({ id: "me" }), { headers });
  await until("it to be on its way", () => b.hub.size === 1);
  const closed = b.hub.close();
  second.socket.terminate();
  go();
  await closed;
  assert.deepEqual(lost, []);
  const third = await V1Client.open(c.hub, { id: "me" }, `0.${first.hello.token}`);
  assert.deepEqual([third.hello.resumed, third.hello.lost], [true, undefined]);
  third.socket.close(1000);
});
