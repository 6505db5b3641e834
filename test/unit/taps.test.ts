/** Taps: what passes, as it passes, on whatever node. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { clusterNode } from "../../src/distributed/dist-hub.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import type { TapRequestSchema, TapResponse } from "../../src/gen/meshsocket/v1/watch_pb.ts";
import { bearer } from "../../src/rpc/bearer.ts";
import { createToken } from "../../src/rpc/token.ts";
import { MemoryCluster, type MemoryNode } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const SECRET = "a secret of more than thirty-two bytes";
const KEY = "an API key of more than thirty-two bytes";

/** One tap, as a back-end has it. */
class TestTap {
  readonly #messages: AsyncIterator<TapResponse>;
  readonly #end = new AbortController();

  constructor({ hub }: MemoryNode, request: MessageInitShape<typeof TapRequestSchema>, secret?: string) {
    const plain = createRouterTransport(new DistServer(hub).routes);
    const transport = secret === undefined ? plain : bearer(plain, () => createToken({ secret, audience: "cluster" }));
    const answers = createClient(Cluster, transport).tap(request, { signal: this.#end.signal });
    this.#messages = answers[Symbol.asyncIterator]();
  }

  async next(kind?: string): Promise<TapResponse> {
    for (;;) {
      const next = await within("a tapped message", this.#messages.next());
      if (next.done === true) throw new Error("the tap ended");
      if (kind === undefined || next.value.kind === kind) return next.value;
    }
  }

  /** Waits until so many nodes take part. */
  async opened(nodes: number): Promise<this> {
    for (let count = 0; count < nodes; count++) await this.next("opened");
    return this;
  }

  kill(): void {
    this.#end.abort();
    this.#messages.next().catch(() => {});
  }
}

const ALICE = { subject: { case: "id", value: "alice" }, payloads: true } as const;
const decoder = new TextDecoder();

/** Whether the node pays for taps. */
function isTapped({ hub }: MemoryNode): boolean {
  return clusterNode(hub).clients.taps !== undefined;
}

test("a tap shows what a client gets and sends, on whatever node it is, and that it comes and goes", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const tap = await new TestTap(a, ALICE).opened(2);
  const client = await b.connect("alice");
  assert.deepEqual([(await tap.next()).kind], ["connected"]);
  assert.equal(await a.hub.emit("alice", "hi"), true);
  const sent = await tap.next();
  assert.deepEqual([sent.kind, sent.host, sent.id, sent.bytes, decoder.decode(sent.payload)], [
    "sent",
    b.host,
    "alice",
    2n,
    "hi",
  ]);
  client.send(new Uint8Array([1, 2, 3]));
  const received = await tap.next();
  assert.deepEqual([received.kind, received.binary, [...received.payload]], ["received", true, [1, 2, 3]]);
  await client.close(1000, "bye");
  assert.match((await tap.next("closed")).text, /^1000 bye/);
  tap.kill();
});

test("a tap on a topic shows each publish once for each node with listeners", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  for (const [node, id] of [[a, "ann"], [b, "bob"], [b, "bea"]] as const) {
    await node.connect(id, { onConnect: (client) => client.subscribe("room") });
  }
  const tap = await new TestTap(a, { subject: { case: "topic", value: "room" }, payloads: true }).opened(2);
  await b.hub.publish("room", "all");
  const seen = [await tap.next("published"), await tap.next("published")];
  assert.deepEqual(new Map(seen.map(({ host, offered }) => [host, offered])), new Map([[a.host, 1n], [b.host, 2n]]));
  assert.deepEqual(seen.map(({ payload }) => decoder.decode(payload)), ["all", "all"]);
  tap.kill();
});

test("a tap of a killed caller is gone from every node, which then pays nothing any more", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  await b.connect("alice");
  const tap = await new TestTap(a, ALICE).opened(2);
  assert.deepEqual([isTapped(a), isTapped(b)], [true, true]);
  assert.ok(clusterNode(b.hub).clients.get("alice")?.tap);
  tap.kill();
  await until("the taps to be gone", () => !isTapped(a) && !isTapped(b));
  assert.equal(clusterNode(b.hub).clients.get("alice")?.tap, undefined);
});

test("a node that joins later takes part, and one that dies is named", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start();
  const tap = await new TestTap(a, ALICE).opened(1);
  const b = await cluster.start();
  assert.equal((await tap.next("opened")).host, b.host);
  await b.connect("alice");
  assert.equal((await tap.next("connected")).host, b.host);
  await cluster.kill(b.host);
  assert.equal((await tap.next("unheard")).host, b.host);
  tap.kill();
});

test("a flood is sampled: what is left out is counted", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start();
  await node.connect("alice");
  const tap = await new TestTap(node, { ...ALICE, perSecond: 10 }).opened(1);
  await Promise.all(Array.from({ length: 500 }, () => node.hub.emit("alice", "x")));
  await node.hub.disconnect("alice");
  let seen = 0;
  let missed = 0n;
  for (let closed = false; !closed;) {
    const next = await tap.next();
    closed = next.kind === "closed";
    missed += next.missed;
    if (next.kind === "sent") seen++;
  }
  assert.equal(seen + Number(missed), 500);
  assert.ok(seen >= 10 && seen <= 20, `${seen} seen`);
  tap.kill();
});

test("one tap too many is refused, with what to do", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ limits: { maxTaps: 1 } });
  const first = await new TestTap(node, ALICE).opened(1);
  await assert.rejects(new TestTap(node, ALICE).next(), (error: unknown) => {
    assert.ok(error instanceof ConnectError && error.code === Code.ResourceExhausted);
    assert.match(error.rawMessage, /limits\.maxTaps/);
    return true;
  });
  first.kill();
  await until("the tap to be gone", () => !isTapped(node));
  (await new TestTap(node, ALICE).opened(1)).kill();
});

test("a tap that lasts too long ends, and says so", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start({ limits: { tapMs: 50 } });
  const tap = await new TestTap(node, ALICE).opened(1);
  assert.match((await tap.next("ended")).text, /tapMs/);
  await assert.rejects(tap.next(), /ended/);
  assert.equal(isTapped(node), false);
});

test("a key sees contents only with the right to, and is told", async () => {
  await using cluster = new MemoryCluster();
  const blind = await cluster.start({ secret: SECRET, apiKeys: [{ secret: KEY, rights: ["tap"] }] });
  await blind.connect("alice");
  const tap = new TestTap(blind, ALICE, KEY);
  assert.match((await tap.next("masked")).text, /"payloads"/);
  await tap.opened(1);
  await blind.hub.emit("alice", "hi");
  const sent = await tap.next("sent");
  assert.deepEqual([sent.bytes, sent.payload.byteLength], [2n, 0]);
  tap.kill();
  const seeing = await cluster.start({ secret: SECRET, apiKeys: [{ secret: KEY, rights: ["tap", "payloads"] }] });
  await seeing.connect("bob");
  const other = new TestTap(seeing, { subject: { case: "id", value: "bob" }, payloads: true }, KEY);
  await other.opened(2);
  await seeing.hub.emit("bob", "hi");
  assert.equal(decoder.decode((await other.next("sent")).payload), "hi");
  other.kill();
});
