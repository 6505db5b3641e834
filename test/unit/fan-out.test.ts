import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { afterTick } from "../../src/base/tick.ts";
import type { Delivery } from "../../src/send/verbs.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

/** More than a group may have to be sent to one by one. */
const IDS = ["a", "b", "c", "d", "e", "f", "g"] as const;
const TOPICS = ["x", "y"] as const;
const id = fc.constantFrom(...IDS);
const topic = fc.constantFrom(...TOPICS);
const except = fc.subarray([...IDS, "nobody"]);

/** What an application may do within one tick, or the end of the tick. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("emit" as const), id }),
  fc.record({ kind: fc.constant("broadcast" as const), except }),
  fc.record({ kind: fc.constant("publish" as const), topic, except }),
  fc.record({ kind: fc.constantFrom("subscribe" as const, "unsubscribe" as const), id, topic }),
  fc.record({ kind: fc.constantFrom("close" as const, "terminate" as const), id }),
  fc.record({ kind: fc.constant("tick" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** The same as a list per client: whom each send is for, and which of them are cut before the tick is written. */
class Model {
  readonly topics = new Map<string, Set<string>>(TOPICS.map((name) => [name, new Set()]));
  readonly open = new Set<string>(IDS);
  readonly got = new Map<string, number[]>(IDS.map((name) => [name, []]));
  readonly delivered: number[] = [];
  readonly dropped: number[] = [];
  #tick: { to: string; number: number }[] = [];

  send(to: Iterable<string>, without: readonly string[] = []): number {
    const number = this.delivered.push(0) - 1;
    this.dropped.push(0);
    for (const one of to) if (this.open.has(one) && !without.includes(one)) this.#tick.push({ to: one, number });
    return number;
  }

  leave(one: string, cut: boolean): void {
    this.#write(one, cut);
    this.open.delete(one);
    for (const listeners of this.topics.values()) listeners.delete(one);
  }

  tick(): void {
    for (const one of IDS) this.#write(one, false);
  }

  #write(one: string, cut: boolean): void {
    const counts = cut ? this.dropped : this.delivered;
    for (const { number } of this.#tick.filter(({ to }) => to === one)) {
      counts[number] = (counts[number] ?? 0) + 1;
      if (!cut) this.got.get(one)?.push(number);
    }
    this.#tick = this.#tick.filter(({ to }) => to !== one);
  }
}

async function play(steps: readonly Step[]): Promise<void> {
  await using hub = new Hub({ logger: silentLogger });
  const clients = new Map<string, MemoryClient>();
  for (const one of IDS) clients.set(one, await MemoryClient.open(hub, { id: one }));
  const model = new Model();
  const results: Promise<Delivery>[] = [];
  for (const one of [...steps, { kind: "tick" } as const]) {
    if (one.kind === "tick") {
      await new Promise<void>((resolve) => afterTick(resolve));
      model.tick();
    } else apply(one, hub, model, results);
  }
  const counts = (await Promise.all(results)).map(({ delivered, dropped }) => ({ delivered, dropped }));
  assert.deepEqual(counts, model.delivered.map((delivered, at) => ({ delivered, dropped: model.dropped[at] })));
  for (const [one, client] of clients) {
    const expected = model.got.get(one) ?? [];
    assert.deepEqual((await client.take(expected.length)).map(Number), expected, `what ${one} got`);
    assert.deepEqual(client.waiting, []);
  }
}

function apply(one: Exclude<Step, { kind: "tick" }>, hub: Hub, model: Model, results: Promise<Delivery>[]): void {
  switch (one.kind) {
    case "emit": {
      const text = String(model.send([one.id]));
      const emitted = hub.emit(one.id, text);
      const was = model.open.has(one.id);
      results.push(emitted.then((ok) => ({ delivered: +ok, held: 0, dropped: +(was && !ok), unreachable: [] })));
      break;
    }
    case "broadcast":
      results.push(hub.broadcast(String(model.send(IDS, one.except)), { except: one.except }));
      break;
    case "publish": {
      const to = model.topics.get(one.topic) ?? [];
      results.push(hub.publish(one.topic, String(model.send(to, one.except)), { except: one.except }));
      break;
    }
    case "subscribe":
      void hub.subscribe(one.id, one.topic);
      if (model.open.has(one.id)) model.topics.get(one.topic)?.add(one.id);
      break;
    case "unsubscribe":
      void hub.unsubscribe(one.id, one.topic);
      model.topics.get(one.topic)?.delete(one.id);
      break;
    default:
      if (one.kind === "close") hub.client(one.id)?.close();
      else hub.client(one.id)?.terminate();
      model.leave(one.id, one.kind === "terminate");
  }
}

test("whatever a tick sends to whom, each client gets its own in order, and every send is counted right", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), play), { numRuns: 500 });
});

/** A hub in which whoever joins is one of many. */
async function crowded(options: HubOptions = {}): Promise<Hub> {
  const hub = new Hub({ logger: silentLogger, ...options });
  for (const one of IDS) await MemoryClient.open(hub, { id: one, onConnect: (client) => client.subscribe("room") });
  return hub;
}

test("who joins, or starts to listen, between two sends of a tick gets the second alone", async () => {
  await using hub = await crowded();
  const first = await MemoryClient.open(hub, { id: "first" });
  await hub.subscribe("first", "room");
  const before = [hub.broadcast("early"), hub.publish("room", "early in room")];
  const second = await MemoryClient.open(hub, { id: "second" });
  void hub.subscribe("second", "room");
  const after = [hub.broadcast("late"), hub.publish("room", "late in room")];
  assert.deepEqual((await Promise.all(before)).map(({ delivered }) => delivered), [IDS.length + 1, IDS.length + 1]);
  assert.deepEqual((await Promise.all(after)).map(({ delivered }) => delivered), [IDS.length + 2, IDS.length + 2]);
  assert.deepEqual(await first.take(4), ["early", "early in room", "late", "late in room"]);
  assert.deepEqual(await second.take(2), ["late", "late in room"]);
});

test("a client without room for all that a tick sends to everyone is closed, and the others get it", async () => {
  await using hub = await crowded({ limits: { maxBufferedBytes: 1_000 } });
  const [quick, stuck] = [await MemoryClient.open(hub, { id: "quick" }), await MemoryClient.open(hub, { id: "stuck" })];
  stuck.socket.stall();
  await hub.emit("stuck", "-".repeat(600));
  const sent = await Promise.all(["1", "2", "3"].map((text) => hub.broadcast(text.repeat(200))));
  assert.deepEqual(sent.map(({ delivered, dropped }) => [delivered, dropped]), sent.map(() => [IDS.length + 1, 1]));
  assert.equal(hub.client("stuck"), undefined);
  assert.equal((await quick.take(3)).length, 3);
});

test("a slow client that may miss messages gets those of a tick that it has room for", async () => {
  await using hub = await crowded({ slowConsumer: "drop", limits: { maxBufferedBytes: 1_000 } });
  const stuck = await MemoryClient.open(hub, { id: "stuck" });
  stuck.socket.stall();
  await hub.emit("stuck", "-".repeat(500));
  const sent = await Promise.all(["1", "2", "3"].map((text) => hub.broadcast(text.repeat(200))));
  assert.deepEqual(
    sent.map(({ delivered, dropped }) => [delivered, dropped]),
    [0, 0, 1].map((dropped) => [IDS.length + 1 - dropped, dropped]),
  );
  assert.equal(hub.client("stuck")?.open, true);
});

test("the bytes that wait for a client include what the tick sends to everyone", async () => {
  await using hub = await crowded();
  const sent = hub.broadcast("12345678");
  assert.equal(hub.client("a")?.bufferedAmount, 10);
  assert.equal((await sent).delivered, IDS.length);
});

test("a listener of a lost client may send in the middle of a broadcast: its messages come, and after that broadcast", async () => {
  await using hub = new Hub({ logger: silentLogger, resume: { maxBytes: 1_000 } });
  const away = await V1Client.open(hub, { id: "away" });
  const clients = await Promise.all(IDS.map((one) => MemoryClient.open(hub, { id: one })));
  away.socket.terminate();
  await until("it to be away", () => hub.client("away")?.away === true);
  hub.on("lost", () => {
    void hub.emit("g", "to you");
    void hub.broadcast("lost");
  });
  const long = "x".repeat(2_000);
  assert.deepEqual(await hub.broadcast(long), { delivered: 7, held: 0, dropped: 1, unreachable: [] });
  for (const client of clients.slice(0, -1)) assert.deepEqual(await client.take(2), [long, "lost"]);
  assert.deepEqual(await clients.at(-1)?.take(3), [long, "to you", "lost"]);
});
