import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeshError } from "../../src/base/error.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import type { MemoryClient } from "../kit/memory-client.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";

function code(expected: string): (error: MeshError) => boolean {
  return (error) => error.code === expected;
}

/** Takes a request, as ten lines of a browser would, and replies with `answer`. */
async function reply(client: MemoryClient, answer: (payload: string) => string): Promise<string> {
  const message = await client.next();
  const text = typeof message === "string" ? message : new TextDecoder().decode(message);
  const [, number, payload = ""] = /^~request (\d+)\n([^]*)$/.exec(text) ?? [];
  const line = `~reply ${number}\n${answer(payload)}`;
  client.socket.send(typeof message === "string" ? line : new TextEncoder().encode(line));
  return payload;
}

test("request: one that is under way when its node is closed gets its reply first, and ends with the node when none comes", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const alice = await b.connect("alice", { protocol: V1_PROTOCOL });
  const asked = a.hub.request("alice", "still there?", { timeoutMs: 60_000 });
  const closing = a.hub.close().then(() => "closed");
  const early = new Promise((resolve) => setTimeout(() => resolve("still open"), 100));
  assert.equal(await Promise.race([closing, early]), "still open");
  await reply(alice, () => "yes");
  assert.equal(await asked, "yes");
  await closing;
  const inVain = c.hub.request("alice", "and now?", { timeoutMs: 60_000 });
  await Promise.all([assert.rejects(inVain, code("unknown")), c.hub.close()]);
});

for (const where of ["on this node", "on another node"]) {
  test(`request: a client ${where} is asked and its reply comes back, as text and as bytes`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b] = await threeNodes(cluster);
    const owner = where === "on this node" ? a : b;
    const seen: unknown[] = [];
    const alice = await owner.connect("alice", {
      protocol: V1_PROTOCOL,
      onEvent: (_, message) => void seen.push(message),
    });
    const asked = a.hub.request("alice", "how are you?");
    assert.equal(await reply(alice, (text) => text.toUpperCase()), "how are you?");
    assert.equal(await asked, "HOW ARE YOU?");
    const bytes = a.hub.request("alice", new Uint8Array([104, 105]));
    await reply(alice, (text) => `${text}!`);
    assert.deepEqual(new Uint8Array((await bytes) as Uint8Array), new TextEncoder().encode("hi!"));
    alice.socket.send("an ordinary message");
    await owner.hub.emit("alice", "flush");
    await alice.next();
    assert.deepEqual(seen, ["an ordinary message"]);
  });

  test(`request: many at once to a client ${where} get each its own reply, in any order`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b] = await threeNodes(cluster);
    const alice = await (where === "on this node" ? a : b).connect("alice", { protocol: V1_PROTOCOL });
    const replies = Array.from({ length: 100 }, (_, index) => a.hub.request("alice", String(index)));
    const requests = (await alice.take(100)).reverse();
    for (const request of requests) {
      const [, number, payload] = /^~request (\d+)\n(.*)$/.exec(String(request)) ?? [];
      alice.socket.send(`~reply ${number}\n<${payload}>`);
    }
    assert.deepEqual(await Promise.all(replies), Array.from({ length: 100 }, (_, index) => `<${index}>`));
  });

  test(`request: what goes wrong with a client ${where} has its code`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b] = await threeNodes(cluster);
    const owner = where === "on this node" ? a : b;
    await assert.rejects(a.hub.request("nobody", "x"), code("not_found"));
    await owner.connect("deaf");
    await assert.rejects(a.hub.request("deaf", "x"), code("failed_precondition"));
    const silent = await owner.connect("silent", { protocol: V1_PROTOCOL });
    await assert.rejects(a.hub.request("silent", "x", { timeoutMs: 60 }), code("deadline_exceeded"));
    const left = assert.rejects(a.hub.request("silent", "x"), code("unknown"));
    await silent.take(2);
    silent.socket.close(1000);
    await left;
  });
}

test("request: a reply that nobody waits for any more is not shown to the application", async () => {
  await using cluster = new MemoryCluster();
  const [a] = await threeNodes(cluster);
  const seen: unknown[] = [];
  const alice = await a.connect("alice", {
    protocol: V1_PROTOCOL,
    onEvent: (_, message) => void seen.push(message),
  });
  await assert.rejects(a.hub.request("alice", "x", { timeoutMs: 20 }), code("deadline_exceeded"));
  await reply(alice, () => "too late");
  alice.socket.send("reply: is an ordinary word");
  await a.hub.emit("alice", "flush");
  await alice.next();
  assert.deepEqual(seen, ["reply: is an ordinary word"]);
});
