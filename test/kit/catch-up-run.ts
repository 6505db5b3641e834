import type { Delivery } from "../../src/send/verbs.ts";
import { type CatchUpVerdict, checkCatchUp, type Place, type PublishLog } from "./catch-up-check.ts";
import { storeFaults } from "./catch-up-faults.ts";
import { CatchUpReaders } from "./catch-up-readers.ts";
import { CatchUpStore } from "./catch-up-store.ts";
import { ChaosCluster, type Seat } from "./chaos-cluster.ts";
import { FAULTS } from "./chaos-faults.ts";
import type { StoreName } from "./chaos-store.ts";
import { ClientFronts, frontFaults } from "./client-fronts.ts";
import type { Defect, Outcome } from "./node-control.ts";
import { Random } from "./random.ts";
import type { Runtime } from "./runtime.ts";

/** A run to make. */
export interface CatchUpRunOptions {
  readonly store: StoreName;
  readonly seed: number;
  readonly clients: number;
  readonly forMs: number;
  readonly defect?: Defect;
  /** The only faults that happen, by name. Default: all. */
  readonly faults?: readonly string[];
  /** One node for each. Default: one on each runtime. */
  readonly runtimes?: readonly Runtime[];
  readonly log?: (line: string) => void;
}

/** The outcome of a run. */
export interface CatchUpOutcome extends CatchUpVerdict {
  readonly faults: readonly string[];
  /** Messages that came as the difference to the one before. */
  readonly deltas: number;
}

/** The short one drops messages that a reader that is away would need. */
const RULES = [
  { match: "room:1", history: { messages: 100_000 } },
  { match: "room:2", history: { messages: 100_000 } },
  { match: "short:1", history: { messages: 100 } },
  { match: "board:1", history: { messages: 100_000 }, delta: true },
  { match: "price:1", history: { messages: 100_000 }, slowConsumer: "latest" },
] as const;
const TOPICS = RULES.map(({ match }) => match);
const KEPT: ReadonlyMap<string, number> = new Map(RULES.map(({ match, history }) => [match, history.messages]));
const LATEST: ReadonlySet<string> = new Set(["price:1"]);
/** So long that a difference is shorter, and that a reader soon lags behind. */
const PADDED: ReadonlySet<string> = new Set(["board:1", ...LATEST]);
const PADDING = `|${"a state that changes little, ".repeat(10)}`;
const LIMITS = { maxLagBytes: 8_192 };
const MAX_BURST = 6;
/** Publishing loops on each node. */
const LOOPS = 2;
/** A message of which nothing is known is published again so often, with its key. */
const ATTEMPTS = 3;
/** Within it all readers have everything after the last fault. */
const QUIET_MS = 30_000;

/**
 * Three nodes on the three runtimes, a Redis with a replica that keeps the history, publishers on every node, readers of the client package that
 * come and go, and faults that the seed chooses: on nodes, on the storage, on the history, on the lines, and on the readers' connections.
 */
export async function catchUpRun(options: CatchUpRunOptions): Promise<CatchUpOutcome> {
  const { store: name, seed, clients: count, forMs, defect, runtimes, log = () => {} } = options;
  const random = new Random(seed);
  const faults: string[] = [];
  const store = await CatchUpStore.start(name);
  const nodes = { store, defect, topics: RULES, limits: LIMITS };
  await using cluster = await ChaosCluster.start({ ...nodes, ...(runtimes ? { runtimes } : {}) });
  const fronts = await ClientFronts.open(cluster, random);
  let now = 0;
  const tick = (): number => ++now;
  const readers = new CatchUpReaders(count, TOPICS, { fronts, random: new Random(seed), tick });
  const publishers = new Publishers(cluster, tick);
  try {
    publishers.start(random);
    readers.start();
    await sleep(500);
    const survivor = random.pick(cluster.seats);
    const all = [...FAULTS.filter(({ name: one }) => !/clients that connect twice/.test(one)), ...storeFaults(store)];
    const chosen = [...all, ...frontFaults(fronts)].filter((fault) => options.faults?.includes(fault.name) ?? true);
    const endsAtMs = performance.now() + forMs;
    const clients = { ids: readers.ids, leave: (id: string) => readers.leave(id), doubleUp: () => Promise.resolve() };
    while (performance.now() < endsAtMs) {
      const fault = random.pick(chosen);
      faults.push(fault.name);
      log(fault.name);
      await fault.run({ cluster, clients, random, survivor });
      await sleep(random.below(1_000));
    }
    fronts.heal();
    await publishers.stop();
    const ends = await untilQuiet(cluster, publishers, readers);
    readers.stop();
    const history = { publishes: publishers.logs, readings: readers.readings, ends, kept: KEPT, latest: LATEST };
    return { ...checkCatchUp(history), deltas: readers.deltas, faults };
  } finally {
    await publishers.stop();
    readers.stop();
    await fronts.close();
  }
}

/** A last message comes to each topic, and all readers get it, or the time is over. Resolves with where the topics end. */
async function untilQuiet(
  cluster: ChaosCluster,
  publishers: Publishers,
  readers: CatchUpReaders,
): Promise<ReadonlyMap<string, Place>> {
  const untilMs = performance.now() + QUIET_MS;
  let missing: string[];
  let ends: ReadonlyMap<string, Place>;
  do {
    for (const seat of cluster.seats) await publishers.publish(seat, TOPICS);
    ends = await endsOf(cluster);
    const soonMs = performance.now() + 1_000;
    do {
      await sleep(50);
      missing = readers.missing(ends);
    } while (missing.length > 0 && performance.now() < soonMs);
  } while (missing.length > 0 && performance.now() < untilMs);
  for (const line of missing.slice(0, 5)) console.log(line);
  return ends;
}

async function endsOf(cluster: ChaosCluster): Promise<ReadonlyMap<string, Place>> {
  const ends = new Map<string, Place>();
  for (const topic of TOPICS) {
    const end = await cluster.seat(0).node.hub.position(topic).catch(() => undefined);
    if (end) ends.set(topic, end);
  }
  return ends;
}

/** Publishes on every node, and notes what became of each message. */
class Publishers {
  readonly logs: PublishLog[] = [];
  readonly #cluster: ChaosCluster;
  readonly #tick: () => number;
  #going = true;
  #loops: Promise<void>[] = [];
  #count = 0;

  constructor(cluster: ChaosCluster, tick: () => number) {
    this.#cluster = cluster;
    this.#tick = tick;
  }

  start(random: Random): void {
    const seats = Array.from({ length: LOOPS }, () => this.#cluster.seats).flat();
    const seed = random.below(2 ** 31);
    this.#loops = seats.map((seat, index) => this.#loop(seat, new Random(seed + index)));
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#loops);
  }

  async #loop(seat: Seat, random: Random): Promise<void> {
    while (this.#going) {
      const topics = Array.from({ length: 1 + random.below(MAX_BURST) }, () => random.pick(TOPICS));
      await this.publish(seat, topics);
      await sleep(random.below(60));
    }
  }

  /** Publishes a message to each of the topics, none of them awaited. */
  async publish({ node }: Seat, topics: readonly string[]): Promise<void> {
    const publisher = `${node.runtime} ${node.pid}`;
    const logs = topics.map((topic): PublishLog => {
      const message = `${publisher} ${++this.#count}${PADDED.has(topic) ? PADDING : ""}`;
      return { topic, message, publisher, startedAt: this.#tick() };
    });
    this.logs.push(...logs);
    await this.#call({ node }, logs);
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      const unknown = logs.filter(({ place, code }) => !place && (code === undefined || code === "unknown"));
      if (unknown.length === 0) return;
      await sleep(100);
      for (const log of unknown) log.repeated = true;
      await this.#call(this.#cluster.seat(attempt), unknown);
    }
  }

  async #call({ node }: Pick<Seat, "node">, logs: readonly PublishLog[]): Promise<void> {
    const calls = logs.map(({ topic, message }) =>
      ["publish", topic, message, { key: message.split("|")[0] }] as const
    );
    const outcomes: readonly (Outcome | undefined)[] = await node.callAll(calls).catch(() => []);
    for (const [index, log] of logs.entries()) note(log, outcomes[index], this.#tick());
  }
}

function note(log: PublishLog, outcome: Outcome | undefined, endedAt: number): void {
  delete log.code;
  if (!outcome) return;
  log.endedAt = endedAt;
  if ("value" in outcome) {
    const { epoch = "", offset = 0 } = outcome.value as Delivery;
    log.place = { epoch, offset };
  } else log.code = outcome.code;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
