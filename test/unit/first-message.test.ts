import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { until } from "../kit/until.ts";

/** A session whose first message names the id, unless it is "wrong". */
const byName: Session = {
  authenticate: (message) =>
    message === "wrong" ? undefined : {
      id: String(message),
      onConnect: (client) => void client.emit(`hello ${client.id}`),
      onEvent: (client, event) => void client.emit(`echo ${String(event)}`),
    },
};

async function withHub(run: (hub: Hub) => Promise<void>, options: HubOptions = {}): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  await run(hub);
}

test("the first message says who a client is; before that it has no id and is sent nothing", () =>
  withHub(async (hub) => {
    const client = await MemoryClient.open(hub, byName);
    assert.equal(hub.size, 0);
    assert.deepEqual(await hub.broadcast("for clients only"), { delivered: 0, held: 0, dropped: 0, unreachable: [] });
    client.socket.send("alice");
    client.socket.send("early");
    assert.equal(await client.next(), "hello alice");
    assert.equal(await client.next(), "echo early");
    client.socket.send("later");
    assert.equal(await client.next(), "echo later");
    assert.equal(await hub.emit("alice", "hi"), true);
    client.socket.close(1000);
    await until("alice to be gone", () => hub.size === 0);
  }));

test("a first message that authenticates nobody is closed with 4401", () =>
  withHub(async (hub) => {
    const client = await MemoryClient.open(hub, byName);
    client.socket.send("wrong");
    assert.equal((await client.closed()).code, 4401);
    assert.equal(hub.size, 0);
  }));

test("an authentication that returns a Response closes with the code of its status, and makes no client", () =>
  withHub(async (hub) => {
    for (
      const [status, code] of [[200, 4401], [401, 4401], [403, 4401], [404, 4401], [429, 1013], [502, 1013], [
        503,
        1013,
      ]]
    ) {
      const client = await MemoryClient.open(hub, { authenticate: () => new Response("no", { status: status ?? 0 }) });
      client.socket.send("alice");
      assert.equal((await client.closed()).code, code, String(status));
    }
    const foreign = { status: 403, headers: new Headers() };
    const client = await MemoryClient.open(hub, { authenticate: () => Promise.resolve(foreign as never) });
    client.socket.send("alice");
    assert.equal((await client.closed()).code, 4401);
    assert.equal(hub.size, 0);
  }));

test("an authentication that returns no session admits nobody, and the log says what came", async () => {
  const errors: unknown[] = [];
  const logger = { ...silentLogger, error: (...data: unknown[]) => void errors.push(data.at(-1)) };
  await withHub(async (hub) => {
    for (const value of [undefined, null, false]) {
      const client = await MemoryClient.open(hub, { authenticate: () => value as never });
      client.socket.send("alice");
      assert.equal((await client.closed()).code, 4401);
    }
    assert.deepEqual(errors, []);
    for (const value of [true, "alice", 7, [], () => ({}), new Error("no"), new Map(), { name: "alice" }]) {
      const client = await MemoryClient.open(hub, { authenticate: () => value as never });
      client.socket.send("alice");
      assert.equal((await client.closed()).code, 1011);
      assert.match(String(errors.pop()), /the value that authenticate returned|unknown option "name"/);
    }
    assert.equal(hub.size, 0);
  }, { logger });
});

test("a client that says nothing is closed with 3008", () =>
  withHub(async (hub) => {
    const client = await MemoryClient.open(hub, byName);
    assert.deepEqual(await client.closed(), { code: 3008, reason: "not authenticated in time" });
  }, { limits: { authTimeoutMs: 50 } }));

test("an authentication that is late or whose client is gone makes no client, and frees its place", () =>
  withHub(async (hub) => {
    const answer = Promise.withResolvers<Session>();
    let [asked, aborted] = [false, false];
    const client = await MemoryClient.open(hub, {
      authenticate: (_, { signal }) => {
        asked = true;
        signal.addEventListener("abort", () => (aborted = true));
        return answer.promise;
      },
    });
    client.socket.send("alice");
    await until("the question", () => asked);
    client.socket.terminate();
    await until("the abort", () => aborted);
    await assert.rejects(MemoryClient.open(hub, {}), /503/);
    answer.resolve({ id: "alice" });
    await until("the place to be free", () => MemoryClient.open(hub, {}).then(() => true, () => false));
    assert.equal(await hub.online("alice"), false);
  }, { limits: { maxConnections: 1 } }));

test("an authentication that never answers frees its place as well", () =>
  withHub(async (hub) => {
    for (let round = 0; round < 3; round++) {
      const client = await MemoryClient.open(hub, { authenticate: () => new Promise(() => {}) });
      client.socket.send("alice");
      assert.equal((await client.closed()).code, 3008);
      await until("the place to be free", () =>
        MemoryClient.open(hub, {}).then(({ socket }) => {
          socket.close();
          return true;
        }, () => false));
      await until("nobody to be left", () => hub.size === 0);
    }
  }, { limits: { maxConnections: 1, authTimeoutMs: 50 } }));

test("who has not authenticated may not send faster than a client", () =>
  withHub(async (hub) => {
    const client = await MemoryClient.open(hub, { authenticate: () => new Promise(() => {}) });
    for (let sent = 0; sent < 10; sent++) client.socket.send("x");
    assert.deepEqual(await client.closed(), { code: 1008, reason: "sends too fast" });
  }, { limits: { messagesPerSecond: 1, messageBurst: 5 } }));

test("an authentication that fails closes with 1011, and with 1013 when the storage does not answer", () =>
  withHub(async (hub) => {
    for (
      const [error, code] of [[new Error("boom"), 1011], [new MeshError("unavailable", "no storage"), 1013]] as const
    ) {
      const client = await MemoryClient.open(hub, { authenticate: () => Promise.reject(error) });
      client.socket.send("x");
      assert.equal((await client.closed()).code, code);
    }
  }));

test("a closing hub closes those who have not authenticated, too", () =>
  withHub(async (hub) => {
    const client = await MemoryClient.open(hub, byName);
    const closing = hub.close();
    assert.equal((await client.closed()).code, 1012);
    await closing;
  }));

test("an authentication that refuses with a code closes with that code and reason", () =>
  withHub(async (hub) => {
    const client = await MemoryClient.open(hub, { authenticate: () => ({ refuse: 4402, reason: "pay first" }) });
    client.socket.send("alice");
    assert.deepEqual(await client.closed(), { code: 4402, reason: "pay first" });
    assert.equal(hub.size, 0);
  }));
