/**
 * Judges what readers of topics with history got, by guarantee 11: from a position everything after it, once and in order, or a word
 * that something is missing. A pure function of what publishers and readers saw.
 */
export function checkCatchUp(history: CatchUpHistory): CatchUpVerdict {
  const places = new Places();
  const learnt = [...places.learn(history)];
  const beginnings = new Beginnings(history.publishes, places);
  const { latest } = history;
  const whole = history.readings.filter(({ topic }) => !latest.has(topic));
  const broken = [
    ...learnt,
    ...history.readings.flatMap((reading) => [...gapsOf(reading, latest.has(reading.topic))]),
    ...doublesOf(history.readings),
    ...history.readings.flatMap((reading) => [...endOf(reading, history.ends)]),
    ...whole.flatMap((reading) => [...earlyMisses(reading, beginnings)]),
    ...refusedButRead(history.publishes, places),
    ...orders(history.publishes),
  ];
  const { publishes, readings } = history;
  return {
    broken,
    published: publishes.length,
    placed: publishes.filter(({ place }) => place).length,
    readings: readings.length,
    caughtUp: readings.filter(({ from, recovered }) => from && recovered === true).length,
    told: readings.filter((reading) => reading.recovered === false || reading.got.at(-1)?.told === true).length,
    needless: readings.flatMap((reading) => [...needlessOf(reading, history.kept)]),
    received: readings.reduce((sum, { got }) => sum + got.length, 0),
    skipped: readings.reduce((sum, reading) => sum + skippedBy(reading, latest), 0),
    epochs: places.epochs,
  };
}

/** All that publishers and readers saw in one run. */
export interface CatchUpHistory {
  readonly publishes: readonly PublishLog[];
  /** In the order in which they began. */
  readonly readings: readonly Reading[];
  /** By topic: its end when all was at rest. */
  readonly ends: ReadonlyMap<string, Place>;
  /** By topic: how many messages it keeps. */
  readonly kept: ReadonlyMap<string, number>;
  /** Topics of which slow readers get only the newest message: later ones may be left out, and the last may not. */
  readonly latest: ReadonlySet<string>;
}

/** A place in the history of a topic. */
export interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** One message and the outcome of its publish. Times are ticks of one clock. */
export interface PublishLog {
  readonly topic: string;
  readonly message: string;
  /** One life of one node. */
  readonly publisher: string;
  readonly startedAt: number;
  endedAt?: number;
  /** Its place, if the publish resolved. */
  place?: Place;
  /** The code with which the last attempt rejected; undefined if the node died. */
  code?: string;
  /** Whether it was published again with its key, after an attempt of which nothing is known. */
  repeated?: boolean;
}

/** The messages of one subscription of one reader to one topic, until it heard that something is missing, or left. */
export interface Reading {
  readonly reader: string;
  readonly topic: string;
  /** The place that it named; undefined: it named none. */
  readonly from: Place | undefined;
  /** Asks for messages that it may have: the newest so many. */
  readonly asksAgain: boolean;
  /** When the subscription held; undefined if it never did. */
  heldAt?: number;
  /** The server's answer when it held: nothing is missing. */
  recovered?: boolean;
  readonly got: Got[];
  ended: boolean;
  /** The events of its connection, to find a cause. */
  readonly notes: string[];
}

/** A message that a reader got. */
export interface Got {
  readonly place: Place;
  readonly message: string;
  /** It had heard that messages before this one are missing. */
  readonly told: boolean;
}

/** The outcome of a {@link checkCatchUp}. */
export interface CatchUpVerdict {
  /** The faults, one line each. */
  readonly broken: readonly string[];
  readonly published: number;
  readonly placed: number;
  readonly readings: number;
  /** Subscriptions from a place that got everything after it. */
  readonly caughtUp: number;
  /** Subscriptions that heard that something is missing. */
  readonly told: number;
  /** Those of them of which the history had everything that is missing: allowed, and a pity. */
  readonly needless: readonly string[];
  readonly received: number;
  /** Messages that slow readers did not get, of topics of which they get only the newest. */
  readonly skipped: number;
  readonly epochs: number;
}

/** Rejected with one of these, a message was not appended and nobody may get it. */
const REFUSED = new Set(["unavailable", "deadline_exceeded", "resource_exhausted", "invalid_argument", "canceled"]);

/** Which message each place names: one, whoever says so. */
class Places {
  readonly #messages = new Map<string, string>();
  readonly #placed = new Map<string, Place>();
  readonly #epochs = new Set<string>();

  get epochs(): number {
    return this.#epochs.size;
  }

  *learn({ publishes, readings }: CatchUpHistory): Iterable<string> {
    for (const { topic, place, message } of publishes) if (place) yield* this.#learn(topic, place, message);
    for (const { topic, got } of readings) {
      for (const { place, message } of got) yield* this.#learn(topic, place, message);
    }
  }

  *#learn(topic: string, place: Place, message: string): Iterable<string> {
    const name = `${topic} ${nameOf(place)}`;
    const known = this.#messages.get(name);
    if (known !== undefined && known !== message) yield `${name} is ${known} and ${message}`;
    this.#messages.set(name, message);
    this.#epochs.add(`${topic} ${place.epoch}`);
    const other = this.#placed.get(`${message} ${place.epoch}`);
    if (other && other.offset !== place.offset) {
      yield `${message} of ${topic} is at ${nameOf(other)} and at ${nameOf(place)}`;
    }
    this.#placed.set(`${message} ${place.epoch}`, place);
    this.#placed.set(message, place);
  }

  /** A place of the message; undefined if nobody knows of one. */
  of(message: string): Place | undefined {
    return this.#placed.get(message);
  }
}

/** Within a reading each message comes after the one before, unless its reader was told; `isLatest`: with others between. */
function* gapsOf(
  { reader, topic, from, recovered, heldAt, got, notes }: Reading,
  isLatest: boolean,
): Iterable<string> {
  let before = recovered === true ? from : undefined;
  for (const [index, { place, told }] of got.entries()) {
    const where = [`message ${index} since ${heldAt}`, ...notes].join(", ");
    if (before && !told && before.epoch !== place.epoch) {
      yield `${reader} got ${topic} ${nameOf(place)} after ${nameOf(before)}, and was not told (${where})`;
    } else if (before && !told && !isLatest && place.offset > before.offset + 1) {
      yield `${reader} got ${topic} ${nameOf(place)} after ${nameOf(before)}: a silent gap (${where})`;
    } else if (before?.epoch === place.epoch && place.offset <= before.offset) {
      yield `${reader} got ${topic} ${nameOf(place)} after ${nameOf(before)}: again, or too late (${where})`;
    }
    before = place;
  }
}

function skippedBy({ topic, got }: Reading, latest: ReadonlySet<string>): number {
  if (!latest.has(topic)) return 0;
  const steps = got.slice(1).map(({ place, told }, index) => {
    const { epoch, offset } = got[index]?.place ?? place;
    return told || epoch !== place.epoch ? 0 : Math.max(0, place.offset - offset - 1);
  });
  return steps.reduce((sum, step) => sum + step, 0);
}

/** A reader heard of a gap that the history could have filled. */
function* needlessOf(
  { reader, topic, from, heldAt, got }: Reading,
  kept: ReadonlyMap<string, number>,
): Iterable<string> {
  const told = got.findIndex((one) => one.told);
  const place = got[told]?.place;
  const before = told > 0 ? got[told - 1]?.place : from;
  if (!place || before?.epoch !== place.epoch || place.offset - before.offset > (kept.get(topic) ?? 0)) return;
  yield `${reader} was told of a gap of ${topic} after ${nameOf(before)}, at message ${told} since ${heldAt}: ${
    nameOf(place)
  }`;
}

/** Over all its readings a reader gets each message of a topic once, unless it asks for some again. */
function* doublesOf(readings: readonly Reading[]): Iterable<string> {
  const last = new Map<string, Place>();
  for (const { reader, topic, asksAgain, from, recovered, got, notes } of readings) {
    const key = `${reader} ${topic}`;
    const before = last.get(key);
    const [first] = got;
    if (first && !asksAgain && before?.epoch === first.place.epoch && first.place.offset <= before.offset) {
      yield `${reader} began with ${topic} ${nameOf(first.place)}, and had it: ${nameOf(before)} ` +
        `(${[`from ${from ? nameOf(from) : "now"}`, `recovered ${recovered}`, ...notes].join(", ")})`;
    }
    const place = got.at(-1)?.place;
    if (place) last.set(key, place);
  }
}

/** At rest, a reader has everything up to the end. */
function* endOf({ reader, topic, ended, heldAt, got }: Reading, ends: ReadonlyMap<string, Place>): Iterable<string> {
  const end = ends.get(topic);
  if (ended || heldAt === undefined || !end || end.offset === 0) return;
  const last = got.at(-1)?.place;
  if (last?.epoch === end.epoch && last.offset === end.offset) return;
  yield `${reader} has ${topic} up to ${last ? nameOf(last) : "nothing"}, which ends at ${nameOf(end)}`;
}

/** Every message that is published after a subscription held comes to it, from the first on. */
function* earlyMisses(reading: Reading, beginnings: Beginnings): Iterable<string> {
  const { reader, topic, heldAt, got: [first] } = reading;
  if (heldAt === undefined || !first || first.told) return;
  const { place } = first;
  const offset = beginnings.lowestSince(topic, place.epoch, heldAt);
  if (offset === undefined || offset >= place.offset) return;
  yield `${reader} began ${topic} with ${nameOf(place)}, and missed ${nameOf({ ...place, offset })}`;
}

/** Where the messages of each topic and epoch are that were published since a time. */
class Beginnings {
  /** By topic and epoch: when each message was published, in that order, and the lowest offset from it on. */
  readonly #lowest = new Map<string, { startedAt: number; offset: number }[]>();

  constructor(publishes: readonly PublishLog[], places: Places) {
    for (const { topic, startedAt, message } of publishes.toSorted((one, other) => other.startedAt - one.startedAt)) {
      const place = places.of(message);
      if (!place) continue;
      const key = `${topic} ${place.epoch}`;
      const all = this.#lowest.get(key) ?? [];
      all.push({ startedAt, offset: Math.min(place.offset, all.at(-1)?.offset ?? Infinity) });
      this.#lowest.set(key, all);
    }
    for (const all of this.#lowest.values()) all.reverse();
  }

  /** The lowest offset of a message that was published at this time or later. */
  lowestSince(topic: string, epoch: string, time: number): number | undefined {
    const all = this.#lowest.get(`${topic} ${epoch}`) ?? [];
    let [from, to] = [0, all.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((all[middle]?.startedAt ?? 0) < time) from = middle + 1;
      else to = middle;
    }
    return all[from]?.offset;
  }
}

/** Nobody reads a message whose publish said that it was not appended. */
function* refusedButRead(publishes: readonly PublishLog[], places: Places): Iterable<string> {
  for (const { topic, message, code, place, repeated } of publishes) {
    const read = places.of(message);
    if (place || code === undefined || repeated || !REFUSED.has(code) || !read) continue;
    yield `${message} of ${topic} was rejected with ${code}, and is at ${nameOf(read)}`;
  }
}

/** A publish that settled before another began comes first; those of one node are in the order of its calls. */
function* orders(publishes: readonly PublishLog[]): Iterable<string> {
  const sure = publishes.filter(({ place, repeated }) => place && repeated !== true);
  const byEpoch = Map.groupBy(sure, ({ topic, place }) => `${topic} ${place?.epoch}`);
  for (const [name, ofEpoch] of byEpoch) {
    let latest: PublishLog | undefined;
    const ofPublisher = new Map<string, PublishLog>();
    for (const log of ofEpoch.toSorted((one, other) => offsetOf(one) - offsetOf(other))) {
      const own = ofPublisher.get(log.publisher);
      if (own && own.startedAt > log.startedAt) yield `${name}: ${log.message} comes after ${own.message} of its node`;
      ofPublisher.set(log.publisher, log);
      if (latest && (log.endedAt ?? Infinity) < latest.startedAt) {
        yield `${name}: ${log.message} comes after ${latest.message}, which began when it had settled`;
      }
      if (!latest || log.startedAt > latest.startedAt) latest = log;
    }
  }
}

function offsetOf({ place }: PublishLog): number {
  return place?.offset ?? 0;
}

function nameOf({ epoch, offset }: Place): string {
  return `${epoch.slice(0, 6)}/${offset}`;
}
