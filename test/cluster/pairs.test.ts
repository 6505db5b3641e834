/** Every runtime as the sender and as the owner of a client, in one cluster: two nodes on each runtime, each its own process. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { TestClient } from "../kit/client.ts";
import type { VerbCall } from "../kit/node-control.ts";
import { NODE_RUNTIMES } from "../kit/node-process.ts";
import { ProcessCluster, type ProxiedNode } from "../kit/process-cluster.ts";
import { RawClient } from "../kit/raw.ts";
import type { Runtime } from "../kit/runtime.ts";

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.start({ runtimes: [...NODE_RUNTIMES, ...NODE_RUNTIMES] });
});

after(async () => {
  await cluster.close();
});

/** The first node of the sender's runtime and the second of the owner's, so that every pair has a link between them. */
function pair(sender: Runtime, owner: Runtime): { sender: ProxiedNode["node"]; owner: ProxiedNode } {
  const [from] = cluster.nodes.filter(({ node }) => node.runtime === sender);
  const [, to] = cluster.nodes.filter(({ node }) => node.runtime === owner);
  if (!from || !to) throw new Error("the cluster has two nodes on each runtime");
  return { sender: from.node, owner: to };
}

async function take(client: TestClient, count: number): Promise<(string | Uint8Array)[]> {
  const messages: (string | Uint8Array)[] = [];
  while (messages.length < count) messages.push(await client.next());
  return messages;
}

/** Every byte, in each order of its low and high half. */
const ALL_BYTES: Uint8Array = Uint8Array.from({ length: 512 }, (_, index) => index < 256 ? index : (index * 16) % 255);

const PAYLOADS: readonly (string | Uint8Array)[] = [
  "text",
  "",
  "😀 é \u{10ffff} مرحبا",
  "\0\n\r\t\u2028",
  "x".repeat(125),
  "x".repeat(126),
  "é".repeat(150_000),
  new Uint8Array(),
  new Uint8Array([0]),
  new TextEncoder().encode("\ufefftext as bytes"),
  new Uint8Array([0xff, 0xfe, 0xc0, 0x80]),
  ALL_BYTES,
  Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251),
];

function same(one: unknown, other: unknown): boolean {
  return typeof one === "string" || typeof other === "string" ? one === other : isDeepStrictEqual(one, other);
}

function describe(payload: string | Uint8Array): string {
  const length = typeof payload === "string" ? payload.length : payload.byteLength;
  return `${length} of ${typeof payload === "string" ? "text" : "binary"}: ${JSON.stringify(payload.slice(0, 20))}`;
}

const COUNT = 10_000;

/** Ten thousand sends of mixed verbs, numbered in call order. */
function mixedCalls(id: string, topic: string): VerbCall[] {
  return Array.from({ length: COUNT }, (_, index): VerbCall => {
    if (index % 3 === 0) return ["emit", id, String(index)];
    if (index % 3 === 1) return ["broadcast", new TextEncoder().encode(String(index))];
    return ["publish", topic, String(index)];
  });
}

const decoder = new TextDecoder();

for (const senderRuntime of NODE_RUNTIMES) {
  for (const ownerRuntime of NODE_RUNTIMES) {
    const name = `${senderRuntime} to ${ownerRuntime}`;

    test(`${name}: an emit arrives and is true, one to an unknown id is false`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const client = await owner.node.connect(`known ${name}`);
      assert.equal(await sender.hub.emit(`known ${name}`, "hi"), true);
      assert.equal(await client.next(), "hi");
      assert.equal(await sender.hub.emit(`unknown ${name}`, "hi"), false);
      await client.close();
    });

    test(`${name}: binary arrives as binary byte for byte, and text as text`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const client = await owner.node.connect(`payload ${name}`);
      const outcomes = await sender.callAll(PAYLOADS.map((payload) => ["emit", `payload ${name}`, payload]));
      assert.deepEqual(outcomes, PAYLOADS.map(() => ({ value: true })));
      for (const [index, got] of (await take(client, PAYLOADS.length)).entries()) {
        // Not deepEqual: nobody wants to read 300,000 bytes of difference.
        assert.ok(same(got, PAYLOADS[index]), `payload ${index} arrived as ${describe(got)}`);
      }
      await client.close();
    });

    test(`${name}: text keeps its byte order mark`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      // The WebSocket of Node itself leaves the mark out.
      const client = await RawClient.connect(Number(new URL(owner.node.url).port));
      const { pathname, search } = new URL(owner.node.clientUrl(`bom ${name}`));
      client.handshake(pathname + search);
      assert.equal((await client.head()).status, 101);
      await client.next();
      assert.equal(await sender.hub.emit(`bom ${name}`, "\ufeffmarked"), true);
      assert.deepEqual(await client.next(), { opcode: 1, payload: Buffer.from("\ufeffmarked") });
      client.socket.destroy();
      await owner.node.event("the loss", (event) => event.type === "disconnect" && event.id === `bom ${name}`);
    });

    test(`${name}: a broadcast counts every client once and leaves out the excepted`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const clients = await Promise.all([
        owner.node.connect(`b0 ${name}`),
        owner.node.connect(`b1 ${name}`),
        sender.connect(`b2 ${name}`),
      ]);
      assert.deepEqual(await sender.hub.broadcast("all"), { delivered: 3, held: 0, dropped: 0, unreachable: [] });
      for (const client of clients) assert.equal(await client.next(), "all");
      const except = [`b0 ${name}`, `b2 ${name}`];
      assert.deepEqual(await sender.hub.broadcast("one", { except }), {
        delivered: 1,
        held: 0,
        dropped: 0,
        unreachable: [],
      });
      assert.equal(await clients[1]?.next(), "one");
      assert.deepEqual([clients[0]?.waiting, clients[2]?.waiting], [[], []]);
      await Promise.all(clients.map((client) => client.close()));
    });

    test(`${name}: online is right before a connect, after it, and after a disconnect`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const id = `online ${name}`;
      assert.equal(await sender.hub.online(id), false);
      const client = await owner.node.connect(id);
      assert.equal(await sender.hub.online(id), true);
      await client.close();
      await owner.node.event("the disconnect", (event) => event.type === "disconnect" && event.id === id);
      assert.equal(await sender.hub.online(id), false);
      assert.equal(await sender.hub.emit(id, "late"), false);
    });

    test(`${name}: disconnect closes the client with the code and the reason`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const client = await owner.node.connect(`bye ${name}`);
      assert.equal(await sender.hub.disconnect(`bye ${name}`, 4123, "bye ü"), true);
      assert.deepEqual(await client.closed(), { code: 4123, reason: "bye ü" });
      assert.equal(await sender.hub.disconnect(`bye ${name}`, 4123, "bye"), false);
    });

    test(`${name}: a client is subscribed by its id, is a member, gets what is published, and is unsubscribed`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const id = `member ${name}`;
      const topic = `topic ${name}`;
      const client = await owner.node.connect(id);
      assert.equal(await sender.hub.subscribe(id, topic), true);
      assert.deepEqual((await sender.hub.members(topic)).ids, [id]);
      assert.deepEqual(await sender.hub.publish(topic, "news"), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
      assert.equal(await client.next(), "news");
      assert.equal(await sender.hub.unsubscribe(id, topic), true);
      assert.deepEqual(await sender.hub.publish(topic, "more"), { delivered: 0, held: 0, dropped: 0, unreachable: [] });
      assert.deepEqual((await sender.hub.members(topic)).ids, []);
      assert.equal(await sender.hub.subscribe(`unknown ${name}`, topic), false);
      assert.deepEqual(client.waiting, []);
      await client.close();
    });

    test(`${name}: ten thousand messages of mixed verbs arrive in call order, none twice, though the link breaks`, async () => {
      const { sender, owner } = pair(senderRuntime, ownerRuntime);
      const id = `order ${name}`;
      const topic = `order ${name}`;
      const client = await owner.node.connect(id, [topic]);
      assert.equal(await sender.hub.emit(id, "route"), true);
      assert.equal((await sender.hub.publish(topic, "route")).delivered, 1);
      await take(client, 2);
      const sent = sender.callAll(mixedCalls(id, topic), 50);
      let cut = 0;
      for (let index = 0; index < COUNT; index++) {
        const message = await client.next();
        assert.equal(typeof message === "string" ? message : decoder.decode(message), String(index));
        if (index % 2_000 === 1_000) cut += owner.proxy.cut();
      }
      for (const [index, outcome] of (await sent).entries()) {
        const wanted = index % 3 === 0 ? true : { delivered: 1, held: 0, dropped: 0, unreachable: [] };
        assert.deepEqual(outcome, { value: wanted }, `call ${index}`);
      }
      assert.ok(cut > 0, "a link was cut");
      assert.deepEqual(client.waiting, []);
      await client.close();
    });
  }
}

test("no node of the pairs met an error that nobody caught", () => {
  for (const { node } of cluster.nodes) {
    assert.deepEqual(node.problems, [], node.runtime);
    assert.deepEqual(node.logged, [], node.runtime);
  }
});
