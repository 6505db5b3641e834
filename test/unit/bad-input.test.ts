/** Bad arguments to each verb and each call of a client: a typed error with a stable code, and never anything else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Sender } from "../../src/send/sender.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { any, assertAllInvalid, type Bad, each } from "../kit/invalid.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { withCode } from "../kit/storage.ts";

const NOT_STRINGS: readonly unknown[] = [undefined, null, 7, true, {}, [], Symbol("id"), new Uint8Array(1)];
const NOT_MESSAGES: readonly unknown[] = [undefined, null, 7, true, {}, [1], Symbol("m"), () => {}, new Date(), [
  new Uint8Array(1),
]];
const BAD_NAMES: readonly unknown[] = [...NOT_STRINGS, "", "\ud800", "x".repeat(513)];
const BAD_OPTIONS: readonly unknown[] = [
  5,
  "fast",
  null,
  { timeoutMs: 0 },
  { timeoutMs: -1 },
  { timeoutMs: NaN },
  { timeoutMs: "1" },
  { signal: {} },
  { signal: null },
];
const BAD_EXCEPTS: readonly unknown[] = ["bob", 5, null, [5], [undefined], {}];
const BAD_CLOSES: readonly [code: unknown, reason: unknown][] = [
  [0, ""],
  [999, ""],
  [1004, ""],
  [1005, ""],
  [1006, ""],
  [1015, ""],
  [2999, ""],
  [5000, ""],
  [1000.5, ""],
  [NaN, ""],
  ["1000", ""],
  [null, ""],
  [1000, "x".repeat(124)],
  [1000, "é".repeat(62)],
  [1000, 5],
  [1000, null],
  [1000, "\ud800"],
];

/** Every verb, each with every argument wrong in turn. */
function verbs(sender: Sender): Bad[] {
  return [
    ...each(BAD_NAMES, "emit to id", (id) => sender.emit(any(id), "x")),
    ...each(NOT_MESSAGES, "emit of", (message) => sender.emit("a", any(message))),
    ...each(BAD_OPTIONS, "emit with options", (options) => sender.emit("a", "x", any(options))),
    ...each(BAD_NAMES, "online of", (id) => sender.online(any(id))),
    ...each(BAD_OPTIONS, "online with options", (options) => sender.online("a", any(options))),
    ...each(NOT_MESSAGES, "broadcast of", (message) => sender.broadcast(any(message))),
    ...each(BAD_OPTIONS, "broadcast with options", (options) => sender.broadcast("x", any(options))),
    ...each(BAD_EXCEPTS, "broadcast except", (except) => sender.broadcast("x", { except: any(except) })),
    ...each(BAD_NAMES, "publish to", (topic) => sender.publish(any(topic), "x")),
    ...each(NOT_MESSAGES, "publish of", (message) => sender.publish("t", any(message))),
    ...each(BAD_OPTIONS, "publish with options", (options) => sender.publish("t", "x", any(options))),
    ...each(BAD_EXCEPTS, "publish except", (except) => sender.publish("t", "x", { except: any(except) })),
    ...each(BAD_NAMES, "members of", (topic) => sender.members(any(topic))),
    ...each(BAD_OPTIONS, "members with options", (options) => sender.members("t", any(options))),
    ...each(BAD_NAMES, "count of", (topic) => sender.count(any(topic))),
    ...each(BAD_OPTIONS, "count with options", (options) => sender.count("t", any(options))),
    ...each(BAD_NAMES, "request to id", (id) => sender.request(any(id), "x")),
    ...each(NOT_MESSAGES, "request of", (message) => sender.request("a", any(message))),
    ...each(BAD_OPTIONS, "request with options", (options) => sender.request("a", "x", any(options))),
    ...each(BAD_NAMES, "subscribe id", (id) => sender.subscribe(any(id), "t")),
    ...each(BAD_NAMES, "subscribe to", (topic) => sender.subscribe("a", any(topic))),
    ...each(BAD_OPTIONS, "subscribe with options", (options) => sender.subscribe("a", "t", any(options))),
    ...each(BAD_NAMES, "unsubscribe id", (id) => sender.unsubscribe(any(id), "t")),
    ...each(BAD_NAMES, "unsubscribe from", (topic) => sender.unsubscribe("a", any(topic))),
    ...each(BAD_OPTIONS, "unsubscribe with options", (options) => sender.unsubscribe("a", "t", any(options))),
    ...each(BAD_NAMES, "disconnect of", (id) => sender.disconnect(any(id))),
    ...each(BAD_CLOSES, "disconnect with", ([code, reason]) => sender.disconnect("a", any(code), any(reason))),
    ...each(BAD_OPTIONS, "disconnect with options", (options) => sender.disconnect("a", 1000, "", any(options))),
  ];
}

/** Every call of a client of a hub. */
function clientCalls(client: Client): Bad[] {
  return [
    ...each(NOT_MESSAGES, "client.emit of", (message) => client.emit(any(message))),
    ...each(BAD_OPTIONS, "client.emit with options", (options) => client.emit("x", any(options))),
    ...each(NOT_MESSAGES, "client.request of", (message) => client.request(any(message))),
    ...each(BAD_OPTIONS, "client.request with options", (options) => client.request("x", any(options))),
    ...each(NOT_MESSAGES, "client.broadcast of", (message) => client.broadcast(any(message))),
    ...each(BAD_OPTIONS, "client.broadcast with options", (options) => client.broadcast("x", any(options))),
    ...each(BAD_EXCEPTS, "client.broadcast except", (except) => client.broadcast("x", { except: any(except) })),
    ...each(BAD_NAMES, "client.publish to", (topic) => client.publish(any(topic), "x")),
    ...each(NOT_MESSAGES, "client.publish of", (message) => client.publish("t", any(message))),
    ...each(BAD_OPTIONS, "client.publish with options", (options) => client.publish("t", "x", any(options))),
    ...each(
      BAD_NAMES.filter((name) => !Array.isArray(name)),
      "client.subscribe to",
      (topic) => client.subscribe(any(topic)),
    ),
    ...each(BAD_NAMES, "client.subscribe to a list with", (topic) => client.subscribe(["good", any(topic)])),
    ...each(BAD_OPTIONS, "client.subscribe with options", (options) => client.subscribe("t", any(options))),
    ...each(
      BAD_NAMES.filter((name) => !Array.isArray(name)),
      "client.unsubscribe from",
      (topic) => client.unsubscribe(any(topic)),
    ),
    ...each(BAD_OPTIONS, "client.unsubscribe with options", (options) => client.unsubscribe("t", any(options))),
    ...each(BAD_CLOSES, "client.close with", ([code, reason]) => client.close(any(code), any(reason))),
  ];
}

test("bad arguments to the verbs of a Hub reject with invalid_argument", async () => {
  await using hub = new Hub({ logger: silentLogger });
  await assertAllInvalid(verbs(hub));
});

test("bad arguments to the verbs of a DistHub reject with invalid_argument, also before it joined", async () => {
  await using cluster = new MemoryCluster();
  const { hub } = await cluster.start();
  await assertAllInvalid(verbs(hub));
  await using unjoined = new DistHub({ storage: new MemoryStorage(), logger: silentLogger });
  await assertAllInvalid(verbs(unjoined));
});

test("bad arguments to the verbs of both kinds of DistClient reject with invalid_argument", async () => {
  using through = new DistClient({ url: "http://127.0.0.1:9", logger: silentLogger });
  await assertAllInvalid(verbs(through));
  await assertAllInvalid(each(BAD_OPTIONS, "nodes with options", (options) => through.nodes(any(options))));
  using direct = new DistClient({ storage: new MemoryStorage(), logger: silentLogger });
  await assertAllInvalid(verbs(direct));
  await assertAllInvalid(each(BAD_OPTIONS, "nodes with options", (options) => direct.nodes(any(options))));
});

test("bad arguments to the calls of a Client throw or reject with invalid_argument, and leave it open", async () => {
  await using cluster = new MemoryCluster();
  const node = await cluster.start();
  const alice = await node.connect("alice");
  const client = node.hub.client("alice");
  assert.ok(client);
  await assertAllInvalid(clientCalls(client));
  assert.deepEqual([...client.topics], []);
  assert.equal(await client.emit("still open"), true);
  assert.equal(await alice.next(), "still open");
});

test("a DistHub that has not joined refuses every verb with failed_precondition", async () => {
  await using hub = new DistHub({ storage: new MemoryStorage(), logger: silentLogger });
  const calls: Bad[] = [
    ["emit", () => hub.emit("a", "x")],
    ["online", () => hub.online("a")],
    ["broadcast", () => hub.broadcast("x")],
    ["publish", () => hub.publish("t", "x")],
    ["members", () => hub.members("t")],
    ["count", () => hub.count("t")],
    ["request", () => hub.request("a", "x")],
    ["subscribe", () => hub.subscribe("a", "t")],
    ["unsubscribe", () => hub.unsubscribe("a", "t")],
    ["disconnect", () => hub.disconnect("a")],
    ["nodes", () => hub.nodes()],
  ];
  for (const [what, call] of calls) {
    await assert.rejects(async () => await call(), withCode("failed_precondition"), what);
  }
});
