/** Guarantee 11 where two things happen at once: each test holds one of them in the middle of the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Counters } from "../../src/base/counters/counters.ts";
import { MeshError } from "../../src/base/error.ts";
import { DEFAULT_LIMITS } from "../../src/base/limits.ts";
import type { Client } from "../../src/client/client.ts";
import { Clients } from "../../src/client/clients.ts";
import { hearKept } from "../../src/hub/history/ear.ts";
import { Feed, HOLD_MS } from "../../src/hub/history/feed.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { Frame } from "../../src/send/frame.ts";
import type { Position } from "../../src/send/position.ts";
import { HeldHistory } from "../kit/held-history.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

const TOPIC = "room:1";
const TOPICS: HubOptions["topics"] = [{ match: "room:*", history: { messages: 10_000 } }];
const WINDOW = { messages: 10_000, ms: 60_000, bytes: 10_000_000 };

/** The feed of a topic, whose messages and gaps are noted in their order. */
class Scene {
  readonly history = new HeldHistory();
  readonly heard: string[] = [];
  readonly feed: Feed<unknown>;
  readonly #gaveUp = Promise.withResolvers<void>();

  constructor(timeoutMs = 5_000) {
    this.feed = new Feed<unknown>(TOPIC, {
      clients: new Clients(DEFAULT_LIMITS, new Counters()),
      store: this.history,
      limits: { timeoutMs },
      gap: () => {},
      failed: () => this.#gaveUp.resolve(),
    });
    this.feed.ears.add({
      hearsKept: false,
      message: (data) => void this.heard.push(String(data)),
      gap: () => void this.heard.push("gap"),
      live() {},
      closed() {},
    });
  }

  /** Settles when the feed goes on without messages that it could not read. */
  get gaveUp(): Promise<void> {
    return this.#gaveUp.promise;
  }

  /** A message gets its place, and is not delivered. */
  async append(text: string): Promise<Position> {
    const { epoch, appended: [one] } = await this.history.append(TOPIC, [{ data: text }], WINDOW);
    return { epoch, offset: one?.offset ?? 0 };
  }

  /** A message comes from its publisher. */
  arrive(text: string, place: Position): void {
    const frame = Frame.of(text);
    frame.place = place;
    void this.feed.arrive(frame, undefined);
  }
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}

async function join(hub: Hub, id: string): Promise<{ client: MemoryClient; inside: Client }> {
  const client = await MemoryClient.open(hub, { id });
  const inside = hub.client(id);
  if (!inside) throw new Error("the client is connected");
  return { client, inside };
}

test("a client that leaves while others wait for the place of a topic takes nothing from them", async () => {
  const history = new HeldHistory();
  await using hub = new Hub({ topics: TOPICS, history });
  await hub.position(TOPIC);
  const alice = await join(hub, "alice");
  const bob = await join(hub, "bob");
  const place = history.hold("position");
  const waits = alice.inside.subscribe(TOPIC, { from: { last: 1 } });
  const leaves = bob.inside.subscribe(TOPIC, { from: { last: 1 } });
  await bob.inside.unsubscribe(TOPIC);
  place.release();
  await assert.rejects(leaves, withCode("canceled"));
  await waits;
  await hub.publish(TOPIC, "hi");
  assert.equal(await alice.client.next(), "hi");
});

test("a client that left before the history could be asked stays away, and one that asks again gets everything", async () => {
  await using hub = new Hub({ topics: TOPICS });
  const alice = await join(hub, "alice");
  const first = alice.inside.subscribe(TOPIC, { from: { last: 1 } });
  await alice.inside.unsubscribe(TOPIC);
  await assert.rejects(first, withCode("canceled"));
  assert.deepEqual([...alice.inside.topics], []);
  const place = await hub.publish(TOPIC, "one");
  assert.equal(place.delivered, 0);
  await alice.inside.subscribe(TOPIC, { from: { last: 1 } });
  assert.equal(await alice.client.next(), "one");
});

test("a look for missed messages is not content with a read that began before it", async () => {
  const scene = new Scene();
  const { history, feed, heard } = scene;
  await feed.attached();
  await scene.append("1");
  const place = await scene.append("2");
  const reading = history.hold("read");
  scene.arrive("2", place);
  await reading.begun;
  await scene.append("3");
  const verified = feed.verify();
  // By then it has looked, and waits for what the read brings.
  await new Promise((resolve) => setTimeout(resolve, 3 * HOLD_MS));
  reading.release();
  await verified;
  assert.deepEqual(heard, numbers(1, 3));
});

test("messages that come while too many are held already are read, even if none comes after them", async () => {
  const scene = new Scene();
  const { history, feed, heard } = scene;
  await feed.attached();
  await scene.append("1");
  const reading = history.hold("read");
  scene.arrive("2", await scene.append("2"));
  await reading.begun;
  for (const text of numbers(3, 1_200)) scene.arrive(text, await scene.append(text));
  reading.release();
  await until("the last message", () => heard.at(-1) === "1200");
  assert.deepEqual(heard, numbers(1, 1_200));
});

test("messages that come while too many wait for the place of the topic are read as well", async () => {
  const scene = new Scene();
  const { history, feed, heard } = scene;
  const place = history.hold("position");
  const attached = feed.attached();
  await place.begun;
  for (const text of numbers(1, 1_200)) scene.arrive(text, await scene.append(text));
  place.release();
  await attached;
  await until("the last message", () => heard.at(-1) === "1200");
  assert.deepEqual(heard, numbers(1, 1_200));
});

test("a late message of an epoch that ended brings nobody back to it, even if the history cannot be read", async () => {
  const scene = new Scene(100);
  const { history, feed, heard } = scene;
  await feed.attached();
  const old = await scene.append("1");
  scene.arrive("1", old);
  history.wipe();
  const place = await scene.append("new 1");
  scene.arrive("new 1", place);
  await until("the other epoch", () => heard.at(-1) === "new 1");
  history.read = () => Promise.reject(new MeshError("unavailable", "the history is down"));
  scene.arrive("1", old);
  await scene.gaveUp;
  scene.arrive("new 2", await scene.append("new 2"));
  assert.deepEqual(heard, ["1", "gap", "new 1", "new 2"]);
});

test("a message that the history knows nothing of is a gap for its listeners, once", async () => {
  const scene = new Scene();
  const { history, feed, heard } = scene;
  await feed.attached();
  scene.arrive("1", await scene.append("1"));
  scene.arrive("elsewhere 5", { epoch: "of another server", offset: 5 });
  await until("the gap", () => heard.length === 2);
  const reading = history.hold("read");
  scene.arrive("elsewhere 5", { epoch: "of another server", offset: 5 });
  await reading.begun;
  reading.release();
  await reading.over;
  scene.arrive("2", await scene.append("2"));
  assert.deepEqual(heard, ["1", "gap", "2"]);
  assert.equal(feed.at?.offset, 2);
});

test("a part of a node that hears what is kept is told of messages that the window drops between two pages", async () => {
  const history = new HeldHistory();
  const heard: string[] = [];
  const append = (from: number, to: number): Promise<unknown> => {
    return history.append(TOPIC, numbers(from, to).map((data) => ({ data })), { ...WINDOW, messages: 1_500 });
  };
  await append(1, 1_000);
  await append(1_001, 1_500);
  const reading = history.hold("read");
  const hearing = hearKept(history, TOPIC, await history.position(TOPIC), {
    hearsKept: true,
    message: (data) => void heard.push(String(data)),
    gap: () => void heard.push("gap"),
    live() {},
    closed() {},
  });
  await reading.begun;
  await append(1_501, 2_500);
  await append(2_501, 2_600);
  reading.release();
  await hearing;
  assert.deepEqual(heard, [...numbers(1, 1_000), "gap", ...numbers(1_101, 1_500)]);
});
