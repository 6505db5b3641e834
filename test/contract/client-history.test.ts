/** Topics that keep history, over the client package and a network that drops its connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Publication, Subscription } from "../../client/index.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { scene, took } from "../kit/client-scene.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const all: Session = { onSubscribe: () => true, onPublish: () => true };
const topics: HubOptions["topics"] = [{ match: "room:*", history: { messages: 200 } }];

async function take(room: Subscription, count: number): Promise<Publication[]> {
  const taken: Publication[] = [];
  while (taken.length < count) {
    const { value } = await within("a message of the topic", room.next());
    if (value) taken.push(value);
  }
  return taken;
}

const texts = (messages: readonly Publication[]): unknown[] => messages.map(({ data }) => data);
const offsets = (messages: readonly Publication[]): unknown[] => messages.map(({ offset }) => offset);

test("client: begins with the newest messages, and learns the place of each", () =>
  scene(all, async ({ hub, open }) => {
    for (const text of ["1", "2", "3"]) await hub.publish("room:1", text);
    const { ws } = open();
    const room = await ws.subscribe("room:1", { from: { last: 2 } });
    assert.equal(room.recovered, true);
    const { epoch, offset } = await ws.publish("room:1", "4", { key: "k" });
    assert.equal((await ws.publish("room:1", "4", { key: "k" })).offset, offset);
    const messages = await take(room, 3);
    assert.deepEqual([texts(messages), offsets(messages)], [["2", "3", "4"], [2, 3, 4]]);
    assert.equal(messages[2]?.epoch, epoch);
  }, { topics }));

test("client: after lost it goes on at its place, with nothing missing and nothing twice", () =>
  scene(all, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    const room = await ws.subscribe("room:1");
    const quiet = await ws.subscribe("room:2");
    await took(log, "open");
    await hub.publish("room:1", "1");
    await take(room, 1);
    proxy.cut();
    await took(log, "away");
    for (const text of ["2", "3"]) await hub.publish("room:1", text);
    await hub.publish("room:2", "quiet");
    await took(log, "lost unknown ");
    await hub.publish("room:1", "4");
    assert.deepEqual(texts(await take(room, 3)), ["2", "3", "4"]);
    // It never got a message there: its place is that of the subscription.
    assert.deepEqual(texts(await take(quiet, 1)), ["quiet"]);
    assert.deepEqual([room.recovered, quiet.recovered], [true, true]);
  }, { topics, resume: { windowMs: 0 } }));

test("client: a gap that the history does not fill is told, and the newest can be read", () =>
  scene(all, async ({ hub, proxy, open }) => {
    const { ws, log } = open({ maxDelayMs: 100 });
    const room = await ws.subscribe("room:1");
    await took(log, "open");
    proxy.refuse(true);
    proxy.cut();
    await took(log, "away");
    for (let count = 0; count < 100_000; count += 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, (_, index) => hub.publish("room:1", String(count + index))));
    }
    proxy.refuse(false);
    await took(log, "lost unknown ");
    await until("the subscription to hold again", () => !room.recovered);
    await hub.publish("room:1", "live");
    assert.deepEqual(texts(await take(room, 1)), ["live"]);
    room.close();
    const newest = await take(await ws.subscribe("room:1", { from: { last: 200 } }), 200);
    assert.deepEqual([newest[0]?.data, newest.at(-1)?.data], ["99801", "live"]);
    assert.equal(room.recovered, false);
  }, { topics, resume: { windowMs: 0 } }));

test("client: a subscription that follows another at once gets its own messages alone", () =>
  scene(all, async ({ hub, proxy, open }) => {
    const { ws } = open();
    for (const text of ["1", "2", "3"]) await hub.publish("room:1", text);
    const before = await ws.subscribe("room:1");
    proxy.shape({ hold: true }, ["back"]);
    await hub.publish("room:1", "4");
    before.close();
    const next = ws.subscribe("room:1", { from: { last: 3 } });
    proxy.resume();
    assert.deepEqual(texts(await take(await next, 3)), ["2", "3", "4"]);
    await hub.publish("room:1", "5");
    assert.deepEqual(texts(await take(await next, 1)), ["5"]);
  }, { topics }));

test("client: places that a store remembers outlive the page", () =>
  scene(all, async ({ hub, open }) => {
    const saved = new Map<string, string>();
    const positions = {
      getItem: (key: string): string | null => saved.get(key) ?? null,
      setItem: (key: string, value: string): void => void saved.set(key, value),
    };
    const before = open({ positions });
    const room = await before.ws.subscribe("room:1");
    await hub.publish("room:1", "1");
    await take(room, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    before.ws.close();
    await hub.publish("room:1", "2");
    const after = await open({ positions }).ws.subscribe("room:1");
    assert.deepEqual([texts(await take(after, 1)), after.recovered], [["2"], true]);
  }, { topics }));

test("client: a store that was wiped ends what subscriptions know, and they hear of it", () => {
  const history = new MemoryHistory();
  return scene(all, async ({ hub, open }) => {
    const { ws } = open();
    const room = await ws.subscribe("room:1");
    await hub.publish("room:1", "1");
    await take(room, 1);
    history.wipe();
    await hub.publish("room:1", "2");
    const [message] = await take(room, 1);
    assert.deepEqual([message?.data, message?.offset, room.recovered], ["2", 1, false]);
  }, { topics, history });
});

const states: HubOptions["topics"] = [{ match: "state", history: { messages: 100 }, delta: true }];
const stateOf = (number: number): string => JSON.stringify({ number, text: "the same in each of them ".repeat(20) });

test("client: reads states as deltas, over a lost connection and after the server lost the client", () =>
  scene(all, async ({ hub, proxy, open }) => {
    const { ws, log } = open();
    const room = await ws.subscribe("state", { delta: true });
    await took(log, "open");
    const published = Array.from({ length: 40 }, (_, number) => stateOf(number));
    const publish = async (from: number): Promise<void> => {
      for (const state of published.slice(from, from + 10)) await hub.publish("state", state);
    };
    await publish(0);
    proxy.cut();
    await took(log, "away");
    await publish(10);
    await took(log, "resumed");
    await publish(20);
    proxy.cut();
    await took(log, "away");
    for (const client of hub) client.terminate();
    await publish(30);
    assert.deepEqual(texts(await take(room, 40)), published);
    assert.equal(room.recovered, true);
    // Whole they were more than that, with their topics.
    assert.ok(hub.counters.sentBytes < published.join("").length, `${hub.counters.sentBytes} bytes`);
  }, { topics: states }));

test("client: a delta that it cannot read is read again, whole, from its place", () =>
  scene(all, async ({ hub, open }) => {
    const { ws } = open({ WebSocket: forgetting(3) });
    const room = await ws.subscribe("state", { delta: true });
    const published = Array.from({ length: 20 }, (_, number) => stateOf(number));
    for (const state of published) await hub.publish("state", state);
    assert.deepEqual(texts(await take(room, 20)), published);
    assert.deepEqual([room.recovered, ws.readyState], [true, WebSocket.OPEN]);
  }, { topics: states }));

/** A WebSocket that spoils the checksum of one message of a topic. */
function forgetting(nth: number): typeof WebSocket {
  let deltas = 0;
  return class extends WebSocket {
    override addEventListener(type: string, listener: EventListenerOrEventListenerObject): void {
      if (type !== "message") return super.addEventListener(type, listener);
      super.addEventListener(type, (event) => {
        const { data } = event as MessageEvent<string | ArrayBuffer>;
        const bytes = typeof data === "string" ? new Uint8Array() : new Uint8Array(data);
        if (bytes.length > 0 && ++deltas === nth) bytes[bytes.length - 2] = "!".charCodeAt(0);
        (listener as EventListener)(event);
      });
    }
  };
}
