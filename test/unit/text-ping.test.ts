import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryClient } from "../kit/memory-client.ts";

/** A client whose engine cannot ping, and what the hub was told of it. */
async function connected(
  session: Session,
  run: (client: MemoryClient, heard: unknown[], hub: Hub) => Promise<void>,
  limits: { idleTimeoutMs?: number } = {},
): Promise<void> {
  const heard: unknown[] = [];
  await using hub = new Hub({
    logger: silentLogger,
    resume: { windowMs: 0 },
    limits: { pingMs: 100, pongMs: 100, ...limits },
  });
  const client = await MemoryClient.open(hub, {
    ...session,
    id: "me",
    onEvent: (_, message) => void heard.push(message),
    onDisconnect: (_, code) => void heard.push(code),
  });
  await run(client, heard, hub);
}

const textPing = { ping: "are you there?", pong: "yes" };

test("a client that answers text pings stays, and its answers are no events", () =>
  connected({ textPing }, async (client, heard) => {
    for (let pings = 0; pings < 5; pings++) {
      assert.equal(await client.next(), "are you there?");
      client.socket.send("yes");
    }
    client.socket.send("an event");
    assert.equal(await client.next(), "are you there?");
    assert.deepEqual(heard, ["an event"]);
  }));

test("any message is a sign of life", () =>
  connected({ textPing }, async (client, heard) => {
    for (let pings = 0; pings < 3; pings++) {
      assert.equal(await client.next(), "are you there?");
      client.socket.send("busy");
    }
    assert.equal(await client.next(), "are you there?");
    assert.deepEqual(heard, ["busy", "busy", "busy"]);
  }));

test("a client that does not answer a text ping is cut within ping and pong time, as 1006", () =>
  connected({ textPing }, async (client, heard, hub) => {
    const since = performance.now();
    await client.closed();
    assert.ok(performance.now() - since < 3_000, "it took too long");
    assert.deepEqual(client.waiting, ["are you there?"]);
    assert.deepEqual(heard, [1006]);
    assert.equal(hub.size, 0);
  }));

test("a client that can be asked is pinged by a request that asks nothing", () =>
  connected({ protocol: V1_PROTOCOL }, async (client, heard, hub) => {
    for (let pings = 0; pings < 3; pings++) {
      assert.equal(await client.next(), "~ping 0");
      client.socket.send("~pong 0 1");
    }
    const asked = hub.request("me", "a real question");
    assert.equal(await client.next(), "~request 1\na real question");
    client.socket.send("~reply 1\na real answer");
    assert.equal(await asked, "a real answer");
    await client.closed();
    assert.deepEqual(heard, [1006]);
  }));

test("an answer to a ping is no message: who only answers is idle", () =>
  connected({ textPing }, async (client, heard) => {
    client.socket.addEventListener("message", () => client.socket.send("yes"));
    assert.equal((await client.closed()).code, 4408);
    assert.ok(client.waiting.length >= 1);
    assert.deepEqual(heard, [4408]);
  }, { idleTimeoutMs: 500 }));

test("a client that never said it would answer is never sent a ping", () =>
  connected({}, async (client, heard) => {
    assert.equal((await client.closed()).code, 4408);
    assert.deepEqual(client.waiting, []);
    assert.deepEqual(heard, [4408]);
  }, { idleTimeoutMs: 500 }));

for (
  const bad of [null, "ping", {}, { ping: "", pong: "b" }, { ping: "a", pong: "a" }, {
    ping: "a",
    pong: "é".repeat(63),
  }]
) {
  test(`pings of ${JSON.stringify(bad)} are refused at the upgrade`, async () => {
    await using hub = new Hub({ logger: silentLogger });
    await assert.rejects(MemoryClient.open(hub, { textPing: bad as never }), /refused with 500/);
  });
}
