import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session, SessionFactory } from "../../src/client/session.ts";
import { MemoryClient, upgradeRequest } from "../kit/memory-client.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events, within } from "../kit/wait.ts";

/** A hub with a client for each id. */
async function holding(
  ids: readonly string[],
  run: (hub: Hub, clients: MemoryClient[]) => Promise<void>,
  options: HubOptions = {},
): Promise<void> {
  await using hub = new Hub({ logger: silentLogger, ...options });
  await run(hub, await Promise.all(ids.map((id) => MemoryClient.open(hub, { id }))));
}

async function statusOf(hub: Hub, session: SessionFactory, request: Request = upgradeRequest()): Promise<number> {
  const answer = await hub.admit(request, session, { remoteAddress: "" });
  if (answer instanceof Response) return answer.status;
  answer.cancel();
  return 101;
}

test("emit reaches one id, and is false when nobody has it", () => {
  return holding(["a", "b"], async (hub, [a, b]) => {
    assert.equal(await hub.emit("a", "hi"), true);
    assert.equal(await hub.emit("nobody", "hi"), false);
    assert.equal(await a?.next(), "hi");
    assert.deepEqual(b?.waiting, []);
  });
});

test("broadcast counts everyone once but those it leaves out", () => {
  return holding(["a", "b", "c"], async (hub, clients) => {
    assert.deepEqual(await hub.broadcast("all"), { delivered: 3, held: 0, dropped: 0, unreachable: [] });
    assert.equal((await hub.broadcast("not b", { except: ["b", "b", "nobody"] })).delivered, 2);
    assert.equal((await hub.client("a")?.broadcast("not a"))?.delivered, 2);
    const got = await Promise.all(clients.map(async (client) => [await client.next(), await client.next()]));
    assert.deepEqual(got, [["all", "not b"], ["all", "not a"], ["all", "not b"]]);
  });
});

test("publish reaches the topic's listeners for as long as they listen", () => {
  return holding(["a", "b"], async (hub, [a, b]) => {
    await hub.client("a")?.subscribe(["room:1", "room:2"]);
    assert.equal(await hub.subscribe("b", "room:1"), true);
    assert.equal(await hub.subscribe("nobody", "room:1"), false);
    assert.deepEqual((await hub.members("room:1")).ids.toSorted(), ["a", "b"]);
    assert.equal((await hub.publish("room:1", "one")).delivered, 2);
    assert.equal((await hub.publish("room:2", "two")).delivered, 1);
    assert.equal((await hub.publish("room:3", "none")).delivered, 0);
    await hub.client("a")?.unsubscribe("room:1");
    assert.equal((await hub.publish("room:1", "three")).delivered, 1);
    assert.deepEqual([await a?.next(), await a?.next()], ["one", "two"]);
    assert.deepEqual([await b?.next(), await b?.next()], ["one", "three"]);
  });
});

test("who leaves is off its topics, its id and the count", () => {
  return holding(["a", "b"], async (hub, [a]) => {
    await hub.client("a")?.subscribe("room");
    assert.equal(await hub.disconnect("a", 4000, "bye"), true);
    assert.deepEqual(await a?.closed(), { code: 4000, reason: "bye" });
    assert.equal(hub.size, 1);
    assert.equal(await hub.online("a"), false);
    assert.deepEqual((await hub.members("room")).ids, []);
    assert.deepEqual(hub.topics(), []);
    assert.equal(await hub.disconnect("a"), false);
    assert.deepEqual([...hub].map((client) => client.id), ["b"]);
  });
});

test("the late end of a replaced connection erases nothing of the newer", () => {
  return holding(["a"], async (hub, [older]) => {
    older?.socket.stall();
    const newer = await MemoryClient.open(hub, { id: "a" });
    older?.socket.unstall();
    assert.equal((await older?.closed())?.code, 4409);
    assert.equal(await hub.emit("a", "hi"), true);
    assert.equal(await newer.next(), "hi");
    assert.equal(hub.size, 1);
  });
});

test("un-awaited sends arrive in call order, whatever verbs they mix", () => {
  return holding(["a"], async (hub, [a]) => {
    await hub.subscribe("a", "room");
    const sends = Array.from({ length: 90 }, (_, index) => {
      if (index % 3 === 0) return hub.emit("a", String(index));
      return index % 3 === 1 ? hub.broadcast(String(index)) : hub.publish("room", String(index));
    });
    await Promise.all(sends);
    for (let index = 0; index < 90; index++) assert.equal(await a?.next(), String(index));
  });
});

type Call = (hub: Hub) => unknown;
const BAD: [name: string, call: Call][] = [
  ["an id that is no text", (hub) => hub.emit(1 as never, "x")],
  ["an empty id", (hub) => hub.emit("", "x")],
  ["an id that is too long", (hub) => hub.online("x".repeat(513))],
  ["an id with a lone surrogate", (hub) => hub.online("\ud800")],
  ["a message that is an object", (hub) => hub.emit("a", {} as never)],
  ["a message in the place of Socket.IO's event", (hub) => hub.client("a")?.emit(["chat"] as never)],
  ["a broadcast of nothing", (hub) => hub.broadcast(undefined as never)],
  ["an except that is a string", (hub) => hub.broadcast("x", { except: "a" })],
  ["an empty topic", (hub) => hub.publish("", "x")],
  ["topics that are no texts", (hub) => hub.client("a")?.subscribe([1 as never])],
  ["a close code that cannot be sent", (hub) => hub.disconnect("a", 1006)],
  ["a close reason that is too long", (hub) => hub.disconnect("a", 1000, "x".repeat(124))],
];
for (const [name, call] of BAD) {
  test(`${name} rejects with a TypeError and the code invalid_argument`, () => {
    return holding(["a"], async (hub, [a]) => {
      await assert.rejects(async () => await call(hub), { name: "TypeError", code: "invalid_argument" });
      assert.equal(await hub.emit("a", "still here"), true);
      assert.equal(await a?.next(), "still here");
    });
  });
}

test("a message over the limit rejects with resource_exhausted, one at the limit does not", () => {
  return holding(["a"], async (hub) => {
    assert.equal(await hub.emit("a", new Uint8Array(100)), true);
    await assert.rejects(hub.emit("a", new Uint8Array(101)), { code: "resource_exhausted" });
    await assert.rejects(hub.broadcast("é".repeat(51)), { code: "resource_exhausted" });
  }, { limits: { maxMessageBytes: 100 } });
});

test("a client listens on at most so many topics", () => {
  return holding(["a"], async (hub) => {
    const client = hub.client("a");
    await client?.subscribe(["1", "2"]);
    await client?.subscribe(["1", "2"]);
    await assert.rejects(async () => await client?.subscribe("3"), { code: "resource_exhausted" });
    assert.deepEqual([...(client?.topics ?? [])], ["1", "2"]);
  }, { limits: { maxTopicsPerClient: 2 } });
});

test("a send that was given up rejects with the signal's reason", () => {
  return holding(["a"], async (hub) => {
    const signal = AbortSignal.abort(new Error("given up"));
    await assert.rejects(hub.emit("a", "x", { signal }), /given up/);
    await assert.rejects(hub.broadcast("x", { signal }), /given up/);
    await assert.rejects(hub.online("a", { signal }), /given up/);
  });
});

test("a failed send that nobody awaits is reported as an event", () => {
  return holding([], async (hub) => {
    const failed = new Events<unknown>("sendfailed");
    hub.on("sendfailed", ({ error }) => failed.add(error));
    void hub.emit("", "x");
    assert.equal((await failed.next() as { code?: unknown }).code, "invalid_argument");
  });
});

const REFUSED: [name: string, session: SessionFactory, status: number][] = [
  ["an id that is too long", () => ({ id: "x".repeat(513) }), 400],
  ["an empty id", () => ({ id: "" }), 400],
  ["a protocol that was not offered", () => ({ protocol: "mqtt" }), 500],
  ["headers that cannot be sent", () => ({ headers: { "a b": "c" } }), 500],
  ["a session that rejects", () => Promise.reject(new Error("boom")), 500],
  ["a session that takes too long", () => new Promise<Session>(() => {}), 503],
];
for (const [name, session, status] of REFUSED) {
  test(`an upgrade with ${name} is refused with ${status}, and the hub has room again`, async () => {
    await using hub = new Hub({ logger: silentLogger, limits: { maxConnections: 1, upgradeTimeoutMs: 50 } });
    assert.equal(await statusOf(hub, session), status);
    assert.equal(await statusOf(hub, () => ({})), 101);
  });
}

test("a cancelled admission gives its room back", async () => {
  await using hub = new Hub({ logger: silentLogger, limits: { maxConnections: 1 } });
  const first = await hub.admit(upgradeRequest(), () => ({}), { remoteAddress: "" });
  assert.equal(await statusOf(hub, () => ({})), 503);
  assert.ok(!(first instanceof Response));
  first.cancel();
  first.cancel();
  assert.equal(await statusOf(hub, () => ({})), 101);
});

test("a client that comes back finds its place on a full node; nobody else gets in by asking to resume", async () => {
  await using hub = new Hub({ logger: silentLogger, limits: { maxConnections: 1 } });
  const first = await V1Client.open(hub, { id: "me" });
  await assert.rejects(V1Client.open(hub, { id: "you" }, `0.${first.hello.token}`), /refused with 503/);
  await assert.rejects(V1Client.open(hub, { id: "me" }, "0.wrong"), /refused with 503/);
  first.socket.terminate();
  const second = await V1Client.open(hub, { id: "me" }, `0.${first.hello.token}`);
  assert.equal(second.hello.resumed, true);
  assert.equal(hub.size, 1);
});

test("close closes everyone with 1012, tells it in events, and settles once", async () => {
  const hub = new Hub({ logger: silentLogger });
  const events: string[] = [];
  for (const type of ["drained", "close"] as const) hub.on(type, () => events.push(type));
  hub.onClose(() => events.push("first"));
  hub.onClose(() => events.push("second"));
  const clients = await Promise.all(["a", "b"].map((id) => MemoryClient.open(hub, { id })));
  const closed = hub.close({ drainMs: 200 });
  assert.equal(hub.close(), closed);
  assert.equal(await statusOf(hub, () => ({})), 503);
  for (const client of clients) assert.equal((await client.closed()).code, 1012);
  await within("the close", closed);
  assert.deepEqual(events, ["drained", "second", "first", "close"]);
  assert.equal(hub.status, "closed");
  assert.equal(hub.size, 0);
});

test("close announces its end first: not ready any more, but still serving and taking clients", async () => {
  const hub = new Hub({ logger: silentLogger });
  const events: string[] = [];
  for (const type of ["draining", "drained", "close"] as const) hub.on(type, ({ status }) => events.push(status));
  const early = await MemoryClient.open(hub, { id: "early" });
  const closed = hub.close({ announceMs: 1_000 });
  assert.equal(hub.status, "draining");
  assert.deepEqual(events, ["draining"]);
  const late = await MemoryClient.open(hub, { id: "late" });
  assert.equal(await hub.emit("early", "hi"), true);
  assert.equal(await early.next(), "hi");
  assert.deepEqual((await hub.broadcast("all")).delivered, 2);
  assert.equal((await late.closed()).code, 1012);
  assert.equal(await statusOf(hub, () => ({})), 503);
  await within("the close", closed);
  assert.deepEqual(events, ["draining", "draining", "closed"]);
});

test("close cuts a client that does not answer", async () => {
  const hub = new Hub({ logger: silentLogger, limits: { closeTimeoutMs: 50 } });
  const client = await MemoryClient.open(hub, {});
  client.socket.stall();
  await within("the close", hub.close());
  assert.equal(hub.size, 0);
});
