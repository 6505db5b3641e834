/** `why`: one test for each cause that a message did not arrive. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { WhyRequestSchema, type WhyResponse } from "../../src/gen/meshsocket/v1/watch_pb.ts";
import { bearer } from "../../src/rpc/bearer.ts";
import { createToken } from "../../src/rpc/token.ts";
import { MemoryClient, upgradeRequest } from "../kit/memory-client.ts";
import { MemoryCluster, type MemoryNode } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

const SECRET = "a secret of more than thirty-two bytes";

/** Asks a node as a back-end would. */
async function why({ hub }: MemoryNode, subject: "id" | "topic", value: string): Promise<WhyResponse> {
  const plain = createRouterTransport(new DistServer(hub).routes);
  const transport = hub.hasSecret ? bearer(plain, () => createToken({ secret: SECRET, audience: "cluster" })) : plain;
  const request = create(WhyRequestSchema, { subject: { case: subject, value } });
  return await createClient(Cluster, transport).why(request);
}

function causes({ findings }: WhyResponse): string[] {
  for (const { text, fix } of findings) assert.ok(text !== "" && fix !== "");
  return findings.map(({ cause }) => cause);
}

test("why: an id that never connected", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start();
  assert.equal(await node.hub.emit("alice", "hi"), false);
  const answer = await why(node, "id", "alice");
  assert.deepEqual(causes(answer), ["never_connected", "nobody"]);
  assert.equal(answer.holder, undefined);
});

test("why: a client that is connected to another node, since when, with its topics", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  await b.connect("alice", { onConnect: (client) => client.subscribe("room:1"), user: "al" });
  assert.equal(await a.hub.emit("alice", "hi"), true);
  const answer = await why(a, "id", "alice");
  assert.deepEqual(causes(answer), ["connected"]);
  assert.equal(answer.holder?.host, b.host);
  assert.equal(answer.holder?.confirmed, true);
  const [alice] = answer.clients;
  assert.deepEqual([alice?.host, alice?.user, alice?.topics, alice?.sent], [b.host, "al", ["room:1"], 1n]);
  assert.ok(Math.abs(Number(alice?.sinceMs) - Date.now()) < 60_000);
  assert.deepEqual(answer.records.filter(({ id }) => id === "alice").map(({ kind }) => kind), ["connected"]);
});

test("why: a client that is away, and what waits for it", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const client = await V1Client.open(b.hub, { id: "alice" });
  client.socket.close(4001);
  await until("alice to be away", () => b.hub.client("alice")?.away === true);
  assert.equal(await a.hub.emit("alice", "for later"), true);
  const answer = await why(a, "id", "alice");
  assert.equal(causes(answer)[0], "away");
  assert.match(answer.findings[0]?.text ?? "", /node-2:1 dropped, and [1-9]\d* bytes wait/);
});

test("why: a client whose buffer was full", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start({ limits: { maxBufferedBytes: 100 } })];
  await b.connect("alice");
  const sends = Array.from({ length: 10 }, () => a.hub.emit("alice", "x".repeat(60)));
  assert.ok((await Promise.all(sends)).includes(false));
  await until("alice to be gone", () => b.hub.client("alice") === undefined);
  const answer = await why(a, "id", "alice");
  assert.equal(causes(answer)[0], "buffer_full");
  const own = answer.records.filter(({ id, kind }) => id === "alice" && kind !== "nobody");
  assert.deepEqual(own.map(({ kind, code }) => [kind, code]), [["connected", 0], ["dropped", 0], ["closed", 4008]]);
});

test("why: a client whose older connection was closed by a takeover", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const older = await a.connect("alice");
  await b.connect("alice");
  assert.equal((await older.untilClosed).code, 4409);
  const answer = await why(a, "id", "alice");
  assert.deepEqual(causes(answer), ["connected", "taken_over"]);
  assert.match(answer.findings[1]?.text ?? "", /node-1:1/);
});

test("why: a client that was taken over, and whose newer connection is gone too", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const older = await a.connect("alice");
  const newer = await b.connect("alice");
  await older.untilClosed;
  await newer.close(1000, "bye");
  await until("alice to be gone", () => b.hub.client("alice") === undefined);
  const answer = await why(a, "id", "alice");
  assert.deepEqual(causes(answer), ["closed"]);
  assert.deepEqual(
    answer.records.filter(({ id }) => id === "alice").map(({ kind, host, code }) => [kind, host, code]),
    [["connected", a.host, 0], ["closed", a.host, 4409], ["connected", b.host, 0], ["closed", b.host, 1000]],
  );
});

test("why: a page that is refused by its origin", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const request = upgradeRequest();
  request.headers.set("origin", "https://evil.example");
  await b.hub.admit(request, () => ({ id: "alice" }), { remoteAddress: "10.0.0.9" });
  const answer = await why(a, "id", "alice");
  assert.deepEqual(causes(answer), ["never_connected", "refused_by_origin"]);
  assert.match(answer.findings[1]?.text ?? "", /node-2:1 with 403 .*10\.0\.0\.9, page of https:\/\/evil\.example/);
});

test("why: a client that is refused by its token, before the 101 and after it", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start();
  await node.hub.admit(upgradeRequest(), () => new Response("no", { status: 401 }), { remoteAddress: "10.0.0.9" });
  assert.deepEqual(causes(await why(node, "id", "alice")), ["never_connected", "refused_by_token"]);
  const client = await MemoryClient.connect(node.hub, () => ({ refuse: 4401, reason: "expired" }));
  await client.untilClosed;
  assert.deepEqual(causes(await why(node, "id", "alice")), ["never_connected", "refused_by_token", "refused_by_token"]);
});

test("why: a client that is refused because connects come too fast", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ limits: { connectsPerSecond: 0.001, connectBurst: 1 } });
  const admit = () => node.hub.admit(upgradeRequest(), () => ({ id: "bob" }), { remoteAddress: "10.0.0.9" });
  const first = await admit();
  if (!(first instanceof Response)) first.cancel();
  await admit();
  await admit();
  const answer = await why(node, "id", "alice");
  assert.deepEqual(causes(answer), ["never_connected", "refused_by_rate"]);
  assert.match(answer.findings[1]?.text ?? "", /with 429 2 times/);
});

test("why: a client that is closed because it sends too fast", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ limits: { messagesPerSecond: 0.001, messageBurst: 2 } });
  const client = await node.connect("alice");
  for (let at = 0; at < 5; at++) client.send("hi");
  assert.equal((await client.untilClosed).code, 1008);
  await until("alice to be gone", () => node.hub.client("alice") === undefined);
  assert.equal(causes(await why(node, "id", "alice"))[0], "closed_by_rate");
});

test("why: a dead holder whose lease still runs", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  await b.connect("alice");
  await cluster.kill(b.host);
  const answer = await why(a, "id", "alice");
  assert.equal(causes(answer)[0], "holder_unreachable");
  assert.match(answer.findings[0]?.text ?? "", /the storage names node-2:1 .*does not answer.*down/);
  assert.equal(answer.holder?.confirmed, false);
  assert.deepEqual(answer.unheard.map(({ host }) => host), [b.host]);
});

test("why: a wrong secret between nodes", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start({ secret: SECRET }), await cluster.start({ secret: SECRET })];
  await b.connect("alice");
  b.hub.setSecret("another secret of more than thirty-two bytes");
  const answer = await why(a, "id", "alice");
  assert.ok(causes(answer).includes("wrong_secret"), causes(answer).join());
  assert.match(answer.findings.find(({ cause }) => cause === "wrong_secret")?.text ?? "", /node-2:1.*another secret/);
});

test("why: a topic without listeners, and one that has some", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  await b.connect("alice", { onConnect: (client) => client.subscribe("room:1") });
  await a.hub.publish("room:2", "hi");
  assert.deepEqual(causes(await why(a, "topic", "room:2")), ["no_listeners", "nobody"]);
  await a.hub.publish("room:1", "hi");
  const answer = await why(a, "topic", "room:1");
  assert.deepEqual(causes(answer), ["listeners"]);
  assert.deepEqual(answer.topics.map(({ host, listeners }) => [host, listeners]), [[b.host, 1n]]);
});

test("why: a handler that threw, without a word of the error", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const client = await b.connect("alice", {
    onEvent() {
      throw new RangeError("secret-canary");
    },
  });
  client.send("hi");
  assert.equal((await client.untilClosed).code, 1011);
  await until("alice to be gone", () => b.hub.client("alice") === undefined);
  const answer = await why(a, "id", "alice");
  assert.equal(causes(answer)[0], "handler_failed");
  const [record] = answer.records.filter(({ kind }) => kind === "handler");
  assert.match(record?.text ?? "", /^onEvent failed \(RangeError\)/);
  assert.ok(!answer.records.some(({ text }) => text.includes("canary")));
});

test("why: an id that the oldest keeps names the refusal of the newer", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ duplicateIds: "oldest" });
  await node.connect("alice");
  await node.hub.admit(upgradeRequest(), () => ({ id: "alice" }), { remoteAddress: "" });
  const { records } = await why(node, "id", "alice");
  assert.match(records.find(({ kind, id }) => kind === "refused" && id === "alice")?.text ?? "", /^duplicate: /);
});

test("a flood of one refusal leaves the rest of the flight recorder as it is", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ limits: { maxRecords: 50 } });
  const client = await node.connect("alice");
  await client.close(1000, "");
  for (let at = 0; at < 500; at++) {
    await node.hub.admit(upgradeRequest(), () => new Response("no", { status: 401 }), { remoteAddress: "10.0.0.9" });
  }
  assert.equal(causes(await why(node, "id", "alice"))[0], "closed");
});

test("the flight recorder forgets the oldest record, and says from when on it remembers", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ limits: { maxRecords: 20 } });
  const before = await why(node, "id", "user-0");
  for (let at = 0; at < 30; at++) await node.hub.emit(`user-${at}`, "hi");
  const [first, last] = [await why(node, "id", "user-0"), await why(node, "id", "user-29")];
  assert.deepEqual(causes(first), ["never_connected"]);
  assert.deepEqual(causes(last), ["never_connected", "nobody"]);
  assert.ok(last.sinceMs >= before.sinceMs);
});
