/** `delta: true`: clients that ask for it get differences, and every message as it was published. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Whole } from "../../client/delta.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { ackLine, partsOf, type Payload } from "../../src/wire/v1.ts";
import { DELTA_FORMAT, subscribeLine } from "../../src/wire/topics.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { Random, runSeed } from "../kit/random.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";
import { Events } from "../kit/wait.ts";

const TOPICS: HubOptions["topics"] = [{ match: "state", history: { messages: 10_000 }, delta: true }];
const ANY: Session = { onSubscribe: () => true };

/** A state that changes in one place. */
const stateOf = (number: number): string =>
  JSON.stringify({ number, seats: Array.from({ length: 40 }, (_, seat) => `seat ${seat}: free`) });

function hubOf(options: HubOptions = {}): Hub {
  return new Hub({ logger: silentLogger, topics: TOPICS, ...options });
}

/** A client that reads one topic, with deltas or without. */
class Reader {
  readonly got: Payload[] = [];
  /** Messages that came as deltas, and the bytes of all. */
  deltas = 0;
  bytes = 0;
  /** Counted messages. */
  received = 0;
  readonly id: string;
  readonly #delta: boolean;
  readonly #whole = new Whole();
  #client: V1Client | undefined;
  #subscribed = Promise.withResolvers<string>();

  constructor(id: string, delta: boolean) {
    this.id = id;
    this.#delta = delta;
  }

  /** Connects, and subscribes; or comes back. */
  async connect(hub: Hub): Promise<this> {
    const resume = this.#client && `${this.received}.${this.#client.hello.token}`;
    this.#client = await V1Client.open(hub, { id: this.id, ...ANY }, resume);
    const { socket } = this.#client;
    for (const line of this.#client.waiting) this.#read(line);
    socket.addEventListener("message", (event) => {
      const { data } = event as MessageEvent<string | ArrayBuffer>;
      this.#read(typeof data === "string" ? data : new Uint8Array(data));
    });
    if (resume !== undefined) return this;
    socket.send(subscribeLine(1, { topic: "state", delta: this.#delta ? DELTA_FORMAT : undefined }));
    assert.equal((await this.#subscribed.promise).includes('"delta":"fossil"'), this.#delta);
    return this;
  }

  cut(): void {
    this.#client?.socket.terminate();
  }

  acknowledge(): void {
    this.#client?.socket.send(ackLine(this.received));
  }

  #read(line: Payload): void {
    const { form, json, payload } = partsOf(line);
    if (form === "subscribed#{") this.#subscribed.resolve(String(line));
    if (form === "subscribed#{" || form === "message{+") this.received++;
    if (form !== "message{+") return;
    this.bytes += line.length;
    if (json["base"] !== undefined) this.deltas++;
    const whole = this.#whole.read(json, payload);
    assert.ok(whole !== undefined, `${this.id} cannot read ${JSON.stringify(json)}`);
    this.got.push(whole);
  }
}

test("a client that asks for it gets small deltas, and any other whole messages", async () => {
  await using hub = hubOf();
  const [delta, whole] = [await new Reader("delta", true).connect(hub), await new Reader("whole", false).connect(hub)];
  const published = Array.from({ length: 50 }, (_, number) => stateOf(number));
  for (const state of published) assert.equal((await hub.publish("state", state)).delivered, 2);
  for (const { got } of [delta, whole]) assert.deepEqual(got, published);
  // After one that takes long, as on a busy machine, the next is not tried.
  assert.ok(delta.deltas > 30 && delta.deltas < 50 && whole.deltas === 0, `${delta.deltas} deltas`);
  assert.ok(delta.bytes < whole.bytes / 2, `${delta.bytes} of ${whole.bytes} bytes`);
});

test("messages that have little in common, are short, or are of another kind come whole or as deltas, always the same", async () => {
  await using hub = hubOf();
  const reader = await new Reader("delta", true).connect(hub);
  const random = new Random(runSeed);
  const noise = (): Uint8Array => Uint8Array.from({ length: 500 }, () => random.below(256));
  const text = "ä€😀".repeat(50);
  const published = [text, `${text}x`, "", "short", noise(), noise(), noise(), stateOf(1), `~${stateOf(1)}`, text];
  const bytes = new TextEncoder().encode(text);
  published.push(bytes, `${text}y`, new Uint8Array(70_000), new Uint8Array(70_001));
  for (const message of published) await hub.publish("state", message);
  assert.deepEqual(reader.got, published);
});

for (const others of [0, 6]) {
  test(`whoever is left out, slow, away, late or gone: ${3 + others} clients read the same as published`, async () => {
    for (let seed = runSeed; seed < runSeed + 30; seed++) {
      const random = new Random(seed);
      await using hub = hubOf({ resume: { maxBytes: 10_000_000 } });
      const readers = [new Reader("0", true), new Reader("1", true), new Reader("2", false)];
      for (let more = 0; more < others; more++) readers.push(new Reader(`${3 + more}`, true));
      const expected = new Map<Reader, string[]>(readers.map((reader) => [reader, []]));
      for (const reader of readers) await reader.connect(hub);
      const away = new Set<Reader>();
      for (let number = 0; number < 60;) {
        const one = readers[random.below(readers.length)] as Reader;
        if (random.below(8) === 0 && away.delete(one)) await one.connect(hub);
        else if (random.below(8) === 0 && !away.has(one)) {
          one.cut();
          away.add(one);
          await until("it is away", () => hub.client(one.id)?.away === true);
        }
        const burst = Array.from({ length: random.below(4) }, () => {
          const state = stateOf(number++);
          const except = random.below(4) === 0 ? [one] : [];
          for (const [reader, states] of expected) if (!except.includes(reader)) states.push(state);
          return hub.publish("state", state, { except: except.map(({ id }) => id) });
        });
        await Promise.all(burst);
      }
      for (const reader of away) await reader.connect(hub);
      for (const [reader, states] of expected) {
        await until(`seed ${seed}: all to come to ${reader.id}`, () => reader.got.length >= states.length);
        assert.deepEqual(reader.got, states, `seed ${seed}, client ${reader.id}`);
      }
      assert.ok((readers[0]?.deltas ?? 0) > 0);
    }
  });
}

test("a client that moves to another node goes on with deltas, and gets those that it lacked whole", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await threeNodes(cluster, { topics: TOPICS });
  const reader = await new Reader("me", true).connect(a.hub);
  const published: string[] = [];
  const publish = async (): Promise<void> => {
    published.push(stateOf(published.length));
    await b.hub.publish("state", published.at(-1) ?? "");
  };
  for (let number = 0; number < 5; number++) await publish();
  await until("the first", () => reader.got.length === 5);
  reader.cut();
  await until("it is away", () => a.hub.client("me")?.away === true);
  for (let number = 0; number < 5; number++) await publish();
  const before = reader.deltas;
  await reader.connect(b.hub);
  for (let number = 0; number < 5; number++) await publish();
  await until("all", () => reader.got.length === published.length);
  assert.deepEqual(reader.got, published);
  assert.ok(reader.deltas - before >= 2, `${reader.deltas - before} deltas`);
});

test("a client that is lost leaves whole messages, not deltas", async () => {
  await using hub = hubOf({ resume: { windowMs: 300 } });
  const lost = new Events<readonly unknown[]>("a lost client");
  hub.on("lost", ({ undelivered }) => lost.add(undelivered));
  const reader = await new Reader("me", true).connect(hub);
  await hub.publish("state", stateOf(0));
  reader.acknowledge();
  reader.cut();
  await until("it is away", () => hub.client("me")?.away === true);
  for (const number of [1, 2]) await hub.publish("state", stateOf(number));
  assert.deepEqual((await lost.next()).slice(-2), [stateOf(1), stateOf(2)]);
});

test("a client that drops a message for want of room gets no delta to it", async () => {
  await using hub = hubOf({ slowConsumer: "drop", limits: { maxBufferedBytes: 4_000 } });
  const readers: Reader[] = [];
  for (let id = 0; id < 6; id++) readers.push(await new Reader(`${id}`, true).connect(hub));
  const random = new Random(runSeed);
  const noise = String.fromCharCode(...Array.from({ length: 3_100 }, () => 33 + random.below(90)));
  const published = Array.from({ length: 18 }, (_, number) => stateOf(number));
  // In a tick with twelve deltas before them, the first of these has no room, and its successor would have.
  const long = [18, 19, 20].map((number) => stateOf(number) + noise);
  for (const state of published.slice(0, 6)) await hub.publish("state", state);
  await Promise.all([...published.slice(6), ...long].map((state) => hub.publish("state", state)));
  await hub.publish("state", stateOf(21));
  for (const { got } of readers) {
    assert.deepEqual(got.slice(0, 18), published);
    assert.equal(got.at(-1), stateOf(21));
  }
  assert.ok(hub.counters.dropped > 0);
});

test("delta without history is refused, with what to write", () => {
  assert.throws(() => new Hub({ topics: [{ match: "state", delta: true }] }), {
    code: "invalid_argument",
    message: /topics\[0\]\.delta needs topics\[0\]\.history/,
  });
});
