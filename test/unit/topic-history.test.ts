import assert from "node:assert/strict";
import { test } from "node:test";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { Client } from "../../src/client/client.ts";
import type { ListenOptions, Recovery } from "../../src/send/verbs.ts";
import { MemoryClient } from "../../src/testing/memory-client.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { MeshError } from "../../src/base/error.ts";
import { subscribeLine, unsubscribeLine } from "../../src/wire/topics.ts";
import { V1Client } from "../kit/v1-client.ts";
import { until } from "../kit/until.ts";
import { withCode } from "../kit/storage.ts";

const TOPICS: HubOptions["topics"] = [{ match: "room:*", history: { messages: 100 } }];

function invalid(message: RegExp): { name: string; code: string; message: RegExp } {
  return { name: "TypeError", code: "invalid_argument", message };
}

/** Connects a client that subscribes, and waits until it holds. */
async function listen(
  hub: Hub,
  id: string,
  topic: string,
  options?: ListenOptions,
): Promise<{ client: MemoryClient; inside: Client; subscribed: Recovery | void }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ inside: Client; subscribed: Recovery | void }>();
  const client = await MemoryClient.open(hub, {
    id,
    async onConnect(inside) {
      await inside.subscribe(topic, options).then((subscribed) => resolve({ inside, subscribed }), reject);
    },
  });
  return { client, ...await promise };
}

async function publishAll(hub: Hub, topic: string, from: number, to: number): Promise<void> {
  const calls = Array.from({ length: to - from + 1 }, (_, index) => hub.publish(topic, String(from + index)));
  await Promise.all(calls);
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}

test("a publish to a topic with history answers its place, and listeners get it", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const { client } = await listen(hub, "alice", "room:1");
  const one = await hub.publish("room:1", "one");
  const two = await hub.publish("room:1", new Uint8Array([2]));
  assert.deepEqual([one.delivered, one.offset, two.offset, one.epoch === two.epoch], [1, 1, 2, true]);
  assert.deepEqual(await client.take(2), ["one", new Uint8Array([2])]);
  assert.deepEqual(await hub.position("room:1"), { epoch: one.epoch, offset: 2 });
});

test("a topic that no rule matches has no place, no history and no keys", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const { client } = await listen(hub, "alice", "lobby");
  assert.deepEqual(await hub.publish("lobby", "hi"), { delivered: 1, held: 0, dropped: 0, unreachable: [] });
  assert.equal(await client.next(), "hi");
  await assert.rejects(hub.publish("lobby", "hi", { key: "1" }), withCode("failed_precondition"));
  await assert.rejects(hub.history("lobby"), withCode("failed_precondition"));
  await assert.rejects(hub.position("lobby"), withCode("failed_precondition"));
  await assert.rejects(hub.client("alice")?.subscribe("lobby", { from: { last: 1 } }) ?? Promise.resolve(), {
    code: "failed_precondition",
    message: /topics: \[\{ match: "lobby"/,
  });
});

test("a repeated key is not published again, and answers the place of the first", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const { client } = await listen(hub, "alice", "room:1");
  const first = await hub.publish("room:1", "one", { key: "a" });
  const again = await hub.publish("room:1", "one", { key: "a" });
  assert.deepEqual([again.delivered, again.offset, again.epoch], [0, 1, first.epoch]);
  await hub.publish("room:1", "two", { key: "b" });
  assert.deepEqual(await client.take(2), ["one", "two"]);
});

test("a client that joins gets the newest messages, and then the live ones", async () => {
  await using hub = new Hub({ topics: TOPICS });
  await publishAll(hub, "room:1", 1, 50);
  const { client, subscribed } = await listen(hub, "alice", "room:1", { from: { last: 20 } });
  assert.deepEqual(subscribed, { recovered: true, position: await hub.position("room:1"), messages: 20 });
  await publishAll(hub, "room:1", 51, 60);
  assert.deepEqual(await client.take(30), numbers(31, 60));
  assert.deepEqual(client.waiting, []);
});

test("a client goes on after its position, as far as the history goes back", async () => {
  await using hub = new Hub({ topics: TOPICS });
  await publishAll(hub, "room:1", 1, 50);
  const position = await hub.position("room:1");
  await publishAll(hub, "room:1", 51, 150);
  const alice = await listen(hub, "alice", "room:1", { from: position });
  assert.deepEqual([alice.subscribed?.recovered, alice.subscribed?.messages], [true, 100]);
  assert.deepEqual(await alice.client.take(100), numbers(51, 150));
  await hub.publish("room:1", "151");
  const bob = await listen(hub, "bob", "room:1", { from: position });
  assert.deepEqual(bob.subscribed, { recovered: false, position: await hub.position("room:1"), messages: 0 });
  const carol = await listen(hub, "carol", "room:1", { from: { epoch: "another", offset: 100 } });
  assert.deepEqual([carol.subscribed?.recovered, carol.subscribed?.messages], [false, 0]);
  const dave = await listen(hub, "dave", "room:1", { from: { epoch: position.epoch, offset: 1_000 } });
  assert.equal(dave.subscribed?.recovered, false);
  await hub.publish("room:1", "152");
  for (const { client } of [bob, carol, dave]) assert.equal(await client.next(), "152");
});

test("a client that subscribes from a position that is not kept hears of the gap before the next message", async () => {
  const history = new MemoryHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  await publishAll(hub, "room:1", 1, 3);
  const alice = await V1Client.open(hub, { id: "alice", onSubscribe: () => true });
  const read = history.read.bind(history);
  history.read = async (...args) => {
    const page = await read(...args);
    await hub.publish("room:1", "4");
    return page;
  };
  alice.send(subscribeLine(1, { topic: "room:1", from: { epoch: "another", offset: 2 } }));
  const lines = (await alice.take(3)).map((line) => String(line).split(" ")[0]);
  assert.deepEqual(lines, ["~gap", "~message", "~subscribed"]);
});

test("a client that leaves before it was caught up, and subscribes again, gets tagged messages and can leave", async () => {
  const history = new MemoryHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  const place = await hub.position("room:1");
  const read = history.read.bind(history);
  history.read = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve));
    return await read(...args);
  };
  const alice = await V1Client.open(hub, { id: "alice", onSubscribe: () => true });
  const linesUntil = async (last: string): Promise<string[]> => {
    for (const lines: string[] = [];;) {
      lines.push(String(await alice.next()));
      if (lines.at(-1)?.startsWith(last) === true) return lines;
    }
  };
  for (let number = 1; number < 40; number += 4) {
    alice.send(subscribeLine(number, { topic: "room:1", from: place }));
    for (let turn = number % 3; turn > 0; turn--) await new Promise((resolve) => setTimeout(resolve));
    alice.send(unsubscribeLine(number + 1, "room:1"));
    await Promise.resolve();
    alice.send(subscribeLine(number + 2, { topic: "room:1", from: place }));
    const lines = await linesUntil(`~subscribed ${number + 2} `);
    assert.match(lines.at(-1) ?? "", /"recovered":true/);
    await hub.publish("room:1", String(number));
    assert.match(String(await alice.next()), /^~message /);
    alice.send(unsubscribeLine(number + 3, "room:1"));
    await linesUntil(`~reply ${number + 3}`);
    assert.equal(hub.client("alice")?.topics.size, 0);
  }
});

test("a client that joins while it is away is not counted for the message that it joins with", async () => {
  const history = new MemoryHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  const place = await hub.position("room:1");
  await listen(hub, "bob", "room:1");
  const [read, append] = [history.read.bind(history), history.append.bind(history)];
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  history.read = async (...args) => {
    const page = await read(...args);
    asked.resolve();
    await gate.promise;
    return page;
  };
  history.append = async (...args) => {
    const result = await append(...args);
    queueMicrotask(() => queueMicrotask(gate.resolve));
    return result;
  };
  const joined = Promise.withResolvers<void>();
  const alice = await V1Client.open(hub, {
    id: "alice",
    onConnect: (client) => client.subscribe("room:1", { from: place }).then(() => joined.resolve(), joined.reject),
  });
  await asked.promise;
  alice.socket.terminate();
  await until("alice to be away", () => hub.client("alice")?.away === true);
  const { delivered, held, dropped } = await hub.publish("room:1", "1");
  assert.deepEqual([delivered, held, dropped], [1, 0, 0]);
  await joined.promise;
});

test("the history is read in pages, from both ends", async () => {
  await using hub = new Hub({ topics: TOPICS });
  await publishAll(hub, "room:1", 1, 30);
  const { messages, more, recovered } = await hub.history("room:1", { limit: 10 });
  assert.deepEqual([messages.map(({ data }) => data), more, recovered], [numbers(1, 10), true, true]);
  const newest = await hub.history("room:1", { limit: 2, reverse: true });
  assert.deepEqual(newest.messages.map(({ offset }) => offset), [30, 29]);
  assert.ok(Math.abs((messages[0]?.atMs ?? 0) - Date.now()) < 60_000);
});

test("a client cannot be caught up where it listens already, and unsubscribing ends that it is", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const { inside } = await listen(hub, "alice", "room:1");
  await assert.rejects(inside.subscribe("room:1", { from: { last: 1 } }), withCode("failed_precondition"));
  const joining = inside.subscribe("room:2", { from: { last: 1 } });
  joining.catch(() => {});
  while (!inside.topics.has("room:2")) await Promise.resolve();
  await inside.unsubscribe("room:2");
  await assert.rejects(joining, withCode("canceled"));
  assert.deepEqual([...inside.topics], ["room:1"]);
  await inside.subscribe("room:2", { from: { last: 1 } });
  assert.equal((await hub.publish("room:2", "hi")).delivered, 1);
});

test("a history that cannot be written rejects the publish, and nobody gets the message", async () => {
  const history = new MemoryHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  const { client } = await listen(hub, "alice", "room:1");
  const append = history.append.bind(history);
  history.append = () => Promise.reject(new MeshError("unavailable", "it is down"));
  await assert.rejects(hub.publish("room:1", "one"), withCode("unavailable"));
  history.append = append;
  assert.equal((await hub.publish("room:1", "two")).offset, 1);
  assert.equal(await client.next(), "two");
});

test("publishes of one tick are one append", async () => {
  const history = new MemoryHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  await hub.position("room:1");
  const sizes: number[] = [];
  const append = history.append.bind(history);
  history.append = (topic, messages, window) => {
    sizes.push(messages.length);
    return append(topic, messages, window);
  };
  await publishAll(hub, "room:1", 1, 500);
  assert.deepEqual(sizes, [500]);
});

const BAD_TOPICS: readonly (readonly [topics: unknown, message: RegExp])[] = [
  ["room:*", /topics must be a list such as \[\{ match/],
  [[{ history: { messages: 1 } }], /topics\[0\] needs a match/],
  [[{ match: "" }], /topics\[0\]\.match must not be empty/],
  [[{ match: "a", keep: 1 }], /unknown option "topics\[0\]\.keep"/],
  [[{ match: "a", history: {} }], /topics\[0\]\.history needs messages/],
  [[{ match: "a", history: { messages: 0 } }], /topics\[0\]\.history\.messages must be a whole number/],
  [[{ match: "a", history: { messages: 1, ms: 0 } }], /topics\[0\]\.history\.ms must be a number of milliseconds/],
  [[{ match: "room:*" }, { match: "room:1:*" }], /topics\[1\]\.match "room:1:\*" never holds: "room:\*" before it/],
  [[{ match: "*" }, { match: "a" }], /topics\[1\]\.match "a" never holds/],
  [[{ match: "a*b" }, { match: "axb" }], /never holds/],
];

test("topics that cannot be meant are refused by name", () => {
  for (const [topics, message] of BAD_TOPICS) {
    assert.throws(() => new Hub({ topics: topics as HubOptions["topics"] }), invalid(message));
  }
  assert.throws(() => new Hub({ history: new MemoryHistory() }), invalid(/no topic has a history/));
  assert.throws(() => new Hub({ topics: TOPICS, history: {} as MemoryHistory }), invalid(/history.append must be/));
});

test("the first rule that matches holds", async () => {
  await using hub = new Hub({
    topics: [{ match: "room:*:private" }, { match: "room:1" }, { match: "room:*", history: { messages: 1 } }],
  });
  assert.equal((await hub.publish("room:1", "")).offset, undefined);
  assert.equal((await hub.publish("room:9:private", "")).offset, undefined);
  assert.equal((await hub.publish("room:2", "")).offset, 1);
  assert.equal((await hub.publish("room:", "")).offset, 1);
  assert.equal((await hub.user("room:2").emit("")).offset, undefined);
});
