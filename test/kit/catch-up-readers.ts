import { Whole } from "../../client/delta.ts";
import { connect, type MeshWebSocket, type Publication, type Subscription } from "../../client/index.ts";
import type { Got, Place, Reading } from "./catch-up-check.ts";
import type { ClientFronts } from "./client-fronts.ts";
import type { Random } from "./random.ts";

/** Readers of topics with history, by the client package; all they get goes into the readings. */
export class CatchUpReaders {
  readonly readings: Reading[] = [];
  readonly #all: CatchUpReader[];
  readonly #deltas = countDeltas();

  constructor(count: number, topics: readonly string[], scene: ReaderScene) {
    const received = new Received();
    this.#all = Array.from({ length: count }, (_, index) => {
      const own = topics.filter((_topic, at) => (index + at) % topics.length !== 0);
      return new CatchUpReader(`reader-${index}`, own, { ...scene, readings: this.readings, received });
    });
  }

  /** Messages of all readers that came as the difference to the one before. */
  get deltas(): number {
    return this.#deltas();
  }

  get ids(): string[] {
    return this.#all.map(({ id }) => id);
  }

  start(): void {
    for (const reader of this.#all) reader.open();
  }

  /** The reader leaves, and comes back after a while. */
  leave(id: string): void {
    this.#all.find((reader) => reader.id === id)?.away();
  }

  /** The readers that have not come to these ends, one line each. */
  missing(ends: ReadonlyMap<string, Place>): string[] {
    return this.#all.flatMap((reader) => [...reader.missing(ends)]);
  }

  /** All leave for good. Their last readings count as lasting. */
  stop(): void {
    for (const reader of this.#all) reader.stop();
  }
}

/** The parts that all readers share. */
export interface ReaderScene {
  readonly fronts: ClientFronts;
  readonly random: Random;
  /** The time of the run, which grows with each call. */
  tick(this: void): number;
}

/** Messages that readers got, each kept once for all: of a long run there are millions. */
class Received {
  readonly #all = new Map<string, Got>();

  add({ topic, data, epoch = "", offset = 0 }: Publication, told: boolean): Got {
    const key = `${topic} ${epoch} ${offset} ${told} ${String(data)}`;
    const known = this.#all.get(key) ?? { place: { epoch, offset }, message: String(data), told };
    this.#all.set(key, known);
    return known;
  }
}

/** The scene with what its readers note. */
interface NotedScene extends ReaderScene {
  readonly readings: Reading[];
  readonly received: Received;
}

/** One client that reads topics. Whenever something is missing it goes on from its place, as an application does. */
class CatchUpReader {
  readonly id: string;
  readonly #topics: readonly string[];
  readonly #scene: NotedScene;
  readonly #places = new Map<string, Place>();
  readonly #present = new Map<string, Reading>();
  #ws: MeshWebSocket | undefined;
  #stopped = false;

  constructor(id: string, topics: readonly string[], scene: NotedScene) {
    this.id = id;
    this.#topics = topics;
    this.#scene = scene;
  }

  open(): void {
    if (this.#stopped) return;
    const { fronts } = this.#scene;
    const settings = { minDelayMs: 30, maxDelayMs: 500, pingMs: 2_000, pongMs: 3_000, timeoutMs: 5_000 };
    const ws = connect(() => fronts.address(this.id), settings);
    this.#ws = ws;
    // Its id may be that of its own earlier attempt, which arrived late.
    ws.addEventListener("close", () => {
      if (this.#ws === ws) this.open();
    });
    for (const type of ["away", "resumed", "lost"] as const) ws.addEventListener(type, () => this.#note(ws, type));
    for (const topic of this.#topics) void this.#follow(ws, topic);
  }

  away(): void {
    // It is away already, and comes back once.
    if (!this.#ws) return;
    this.#leave();
    setTimeout(() => this.open(), 100 + this.#scene.random.below(1_500));
  }

  stop(): void {
    this.#stopped = true;
    this.#ws?.close();
  }

  *missing(ends: ReadonlyMap<string, Place>): Iterable<string> {
    for (const topic of this.#topics) {
      const end = ends.get(topic);
      const place = this.#places.get(topic);
      const reading = this.#present.get(topic);
      const holds = reading?.heldAt !== undefined && !reading.ended && reading.got.length > 0;
      if (holds && place?.epoch === end?.epoch && place?.offset === end?.offset) continue;
      const { readyState, away } = this.#ws ?? {};
      yield `${this.id} (${readyState}, ${away === true ? "away" : "here"}) has ${topic} up to ${
        JSON.stringify(place)
      }, ` +
        `${holds ? "listens" : "does not listen"}, and it ends at ${JSON.stringify(end)}`;
    }
  }

  #note({ url }: MeshWebSocket, what: string): void {
    const node = this.#scene.fronts.runtimeAt(url);
    for (const { got, notes } of this.#present.values()) notes.push(`${what} on ${node} after ${got.length}`);
  }

  #leave(): void {
    const ws = this.#ws;
    this.#ws = undefined;
    for (const reading of this.#present.values()) reading.ended = true;
    ws?.close();
  }

  async #follow(ws: MeshWebSocket, topic: string): Promise<void> {
    while (this.#ws === ws && !this.#stopped) {
      const reading = this.#begin(topic);
      try {
        const from = reading.asksAgain ? { last: 20 } : reading.from;
        const room = await ws.subscribe(topic, { ...(from && { from }), delta: true, timeoutMs: 5_000 });
        reading.heldAt = this.#scene.tick();
        reading.recovered = room.recovered;
        Object.assign(room, { onmessage: (publication: Publication) => this.#got(reading, room, publication) });
        await room.next();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      if (!this.#stopped) reading.ended = true;
    }
  }

  #begin(topic: string): Reading {
    const { random } = this.#scene;
    const place = this.#places.get(topic);
    const asksAgain = random.below(6) === 0;
    const from = asksAgain || (!place && random.below(2) === 0) ? undefined : place;
    const reading: Reading = { reader: this.id, topic, from, asksAgain, got: [], ended: false, notes: [] };
    this.#scene.readings.push(reading);
    this.#present.set(topic, reading);
    return reading;
  }

  #got(reading: Reading, room: Subscription, publication: Publication): void {
    if (reading.ended) return;
    const told = !room.recovered;
    const got = this.#scene.received.add(publication, told);
    reading.got.push(got);
    this.#places.set(publication.topic, got.place);
    // From here on it would not hear of another gap.
    if (!told) return;
    reading.ended = true;
    room.close();
  }
}

/** From now on counts the messages that were put together. */
function countDeltas(): () => number {
  let count = 0;
  const read = Reflect.get(Whole.prototype, "read");
  Whole.prototype.read = function (place, payload) {
    const whole = read.call(this, place, payload);
    if (place.base !== undefined && whole !== undefined) count++;
    return whole;
  };
  return () => count;
}
