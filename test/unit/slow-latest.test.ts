/** `slowConsumer: "latest"`: a client that is away or does not read gets the newest message of a topic, and nothing older after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Client } from "../../src/client/client.ts";
import { HubClient } from "../../src/client/hub-client.ts";
import type { Session } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { Whole } from "../../client/delta.ts";
import { DELTA_FORMAT, subscribeLine } from "../../src/wire/topics.ts";
import { ackLine, partsOf } from "../../src/wire/v1.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

const TOPICS: HubOptions["topics"] = [{ match: "price:*", slowConsumer: "latest" }];
const ME: Session = { id: "me", onConnect: (client) => client.subscribe(["price:1", "price:2", "room"]) };
const MANY = Array.from({ length: 100 }, (_, number) => `${number}`);

/** A client that is away from a hub. */
async function away(hub: Hub, session = ME): Promise<{ readonly inside: Client; readonly token: string }> {
  const connected = Promise.withResolvers<Client>();
  const onConnect = async (client: Client): Promise<void> => {
    await session.onConnect?.(client);
    connected.resolve(client);
  };
  const gone = Promise.withResolvers<void>();
  const client = await V1Client.open(hub, { ...session, onConnect, onAway: () => gone.resolve() });
  const inside = await connected.promise;
  client.socket.terminate();
  await gone.promise;
  return { inside, token: client.hello.token };
}

function hubOf(options: HubOptions = {}): Hub {
  return new Hub({ logger: silentLogger, topics: TOPICS, ...options });
}

test("a client that was away gets the newest message of each such topic, and all of the others", async () => {
  await using hub = hubOf();
  const { token } = await away(hub);
  for (const text of MANY) {
    assert.equal((await hub.publish("price:1", `one ${text}`)).held, 1);
    await hub.publish("price:2", `two ${text}`);
  }
  for (const text of ["a", "b"]) await hub.publish("room", text);
  assert.equal(hub.counters.conflated, 198);
  const back = await V1Client.open(hub, ME, `0.${token}`);
  assert.deepEqual(await back.take(4), ["a", "b", "one 99", "two 99"]);
  await hub.publish("price:1", "live");
  assert.equal(await back.next(), "live");
});

test("messages of one tick are conflated as well, and none is dropped", async () => {
  await using hub = hubOf();
  const { token } = await away(hub);
  await Promise.all(MANY.map((text) => hub.publish("price:1", text)));
  const back = await V1Client.open(hub, ME, `0.${token}`);
  assert.deepEqual(await back.next(), "99");
  assert.deepEqual([hub.counters.conflated, hub.counters.dropped], [99, 0]);
});

test("a message that waits goes with the topic, and is not sent after it", async () => {
  await using hub = hubOf();
  const { inside, token } = await away(hub);
  await hub.publish("price:1", "old");
  await inside.unsubscribe("price:1");
  await hub.emit("me", "last");
  const back = await V1Client.open(hub, ME, `0.${token}`);
  assert.equal(await back.next(), "last");
  await hub.publish("price:2", "other");
  assert.equal(await back.next(), "other");
});

test("a message that waits for a client that does not come back is among those that it never got", async () => {
  await using hub = hubOf({ resume: { windowMs: 20 } });
  const lost = new Events<readonly unknown[]>("a lost client");
  hub.on("lost", ({ undelivered }) => lost.add(undelivered));
  await away(hub);
  await hub.publish("price:1", "0");
  await hub.publish("price:1", "1");
  assert.deepEqual(await lost.next(), ["1"]);
});

test("a message that waits moves with the client to another node", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { topics: TOPICS });
  const { token } = await away(a.hub);
  for (const text of MANY) await b.hub.publish("price:1", text);
  const back = await V1Client.open(b.hub, ME, `0.${token}`);
  assert.equal(await back.next(), "99");
  await a.hub.publish("price:1", "live");
  assert.equal(await back.next(), "live");
});

/** Connects so many listeners that a message is queued once for all of them. */
async function crowd(hub: Hub): Promise<void> {
  for (let count = 0; count < 5; count++) {
    const client = await V1Client.open(hub, { onConnect: (each) => each.subscribe("price:1") });
    await until("it to listen", () => hub.client(client.hello.id)?.topics.has("price:1") === true);
  }
}

test("a message that waited never comes after a newer one that is published in the moment of its release", async () => {
  await using hub = hubOf({ limits: { maxLagBytes: 1_000 } });
  await crowd(hub);
  const reader = await V1Client.open(hub, ME);
  await until("it to listen", () => hub.client("me")?.topics.has("price:1") === true);
  await hub.emit("me", "x".repeat(2_000));
  assert.equal((await hub.publish("price:1", "old")).held, 1);
  reader.send(ackLine(1));
  const published = Promise.withResolvers<unknown>();
  // Both timers are due when the thread is free again: this one, and that which releases messages.
  setTimeout(() => published.resolve(hub.publish("price:1", "new")), 5);
  const untilMs = performance.now() + 60;
  await Promise.resolve();
  while (performance.now() < untilMs);
  await published.promise;
  await hub.emit("me", "end");
  await reader.next();
  assert.equal(await reader.next(), "new");
  assert.equal(await reader.next(), "end");
});

test("a message published in the moment of a move goes along, in place of the one that waited", async () => {
  await using hub = hubOf();
  await crowd(hub);
  const { inside, token } = await away(hub);
  assert.ok(inside instanceof HubClient);
  await hub.publish("price:1", "old");
  assert.equal(inside.leaves({ token, former: "", received: 0, user: undefined }), undefined);
  const published = hub.publish("price:1", "new");
  const handed = inside.handOver([]);
  assert.ok(typeof handed !== "string");
  assert.deepEqual(handed.messages.map(({ data }) => new TextDecoder().decode(data)), ["new"]);
  const { delivered, held, dropped } = await published;
  assert.deepEqual({ delivered, held, dropped }, { delivered: 5, held: 1, dropped: 0 });
});

test("a stream on such a topic is refused to its producer and to pages, because readers could miss parts", async () => {
  await using hub = hubOf({ topics: [{ match: "price:*", slowConsumer: "latest", history: { messages: 10 } }] });
  await assert.rejects(hub.stream("price:1").append("part"), { code: "failed_precondition" });
  const client = await V1Client.open(hub, { onSubscribe: () => true });
  client.send(subscribeLine(1, { topic: "price:1", stream: true }));
  assert.match(String(await client.next()), /^~error 1 \{"code":"failed_precondition"/);
});

test("with deltas a slow client gets the newest state whole, and after it deltas again", async () => {
  const topics: HubOptions["topics"] = [
    { match: "state", slowConsumer: "latest", history: { messages: 100 }, delta: true },
  ];
  await using hub = hubOf({ topics });
  const stateOf = (number: number): string => `${number} ${"the same ".repeat(30)}`;
  const session: Session = { id: "me", onSubscribe: () => true };
  const first = await V1Client.open(hub, session);
  first.send(subscribeLine(1, { topic: "state", delta: DELTA_FORMAT }));
  await first.next();
  const gone = Promise.withResolvers<unknown>();
  hub.on("away", gone.resolve);
  first.socket.terminate();
  await gone.promise;
  for (let number = 1; number <= 20; number++) await hub.publish("state", stateOf(number));
  const back = await V1Client.open(hub, session, `1.${first.hello.token}`);
  const whole = new Whole();
  const read = async (): Promise<unknown[]> => {
    const { json, payload } = partsOf(await back.next());
    return [json["base"], whole.read(json, payload)];
  };
  assert.deepEqual(await read(), [undefined, stateOf(20)]);
  for (let number = 21; number <= 23; number++) await hub.publish("state", stateOf(number));
  assert.deepEqual(await read(), [undefined, stateOf(21)]);
  assert.deepEqual(await read(), [21, stateOf(22)]);
  assert.deepEqual(await read(), [22, stateOf(23)]);
});
