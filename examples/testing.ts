/**
 * Tests your handlers without a port: `node --test examples/testing.ts`, `bun test ./examples/testing.ts` or
 * `deno test -A examples/testing.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub, type SessionFactory } from "../src/index.ts"; // in a project of yours: "meshsocket"
import { MemoryClient, MemoryCluster } from "../src/testing/testing.ts"; // "meshsocket/testing"

/** The handlers of a chat, as an application has them in a file of its own. */
const chat: SessionFactory = (request) => {
  const name = new URL(request.url).searchParams.get("name");
  if (name === null) return new Response("who are you?", { status: 401 });
  return {
    id: name,
    onConnect: (client) => client.subscribe("room"),
    onEvent: (client, message) => client.publish("room", `${client.id}: ${String(message)}`),
  };
};

test("example: a message reaches the others in the room, and nobody comes in without a name", async () => {
  const hub = new Hub();
  const ann = await MemoryClient.connect(hub, chat, { url: "http://localhost/?name=ann" });
  const ben = await MemoryClient.connect(hub, chat, { url: "http://localhost/?name=ben" });
  ann.send("hello");
  assert.equal(await ben.next(), "ann: hello");
  await assert.rejects(MemoryClient.connect(hub, chat), /refused with 401/);
  assert.deepEqual(await ben.close(), { code: 1000, reason: "" });
  await hub.close();
});

test("example: the room spans two nodes, and a send says when the other node cannot be reached", async () => {
  await using cluster = new MemoryCluster();
  const a = await cluster.start({ limits: { timeoutMs: 200 } });
  const b = await cluster.start();
  const ann = await a.connect("ann", chat, { url: "http://localhost/?name=ann" });
  const ben = await b.connect("ben", chat, { url: "http://localhost/?name=ben" });
  ann.send("hello");
  assert.equal(await ben.next(), "ann: hello");
  const find = cluster.lose(b.host);
  await assert.rejects(a.hub.emit("ben", "are you there?"), { code: "deadline_exceeded" });
  find();
});
