import { unlessAborted } from "../../base/abort.ts";
import { unref } from "../../base/tick.ts";
import type { Limits } from "../../base/limits.ts";
import { about } from "../../base/log/about.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Clients } from "../../client/clients.ts";
import type { HubClient } from "../../client/hub-client.ts";
import { checkFrom, checkKey } from "../../history/check.ts";
import type { HistoryPage, HistoryStore, HistoryWindow } from "../../history/history.ts";
import { MemoryHistory } from "../../history/memory.ts";
import { deadlineOf } from "../../send/deadline.ts";
import { Frame } from "../../send/frame.ts";
import type { Position } from "../../send/position.ts";
import type {
  Delivery,
  Except,
  From,
  HistoryReadOptions,
  Recovery,
  SendOptions,
  SendToTopicOptions,
  Verbs,
} from "../../send/verbs.ts";
import { gapLine } from "../../wire/topics.ts";
import { Appends, ByteBudget, type Placed } from "./appends.ts";
import { Doubts } from "./doubts.ts";
import { type Arrival, Feed, frameOf, NONE } from "./feed.ts";
import { Join } from "./join.ts";
import { type Ear, hearKept, LateEar } from "./ear.ts";
import { ReplayPace } from "./replay-pace.ts";
import { Pages } from "./pages.ts";

/**
 * The topics with history on one node.
 *
 * A message is appended to the store (`appends.ts`), gets its place there, and is then delivered here and on other nodes. Each node gives it to
 * its listeners in the order of the store (`feed.ts`). A client that joins from an earlier place is caught up first (`join.ts`).
 */
export class Histories<Data> {
  /** The verbs for the clients of other nodes; undefined for a hub on its own. */
  remote: Pick<Verbs, "publish"> | undefined;
  readonly #deps: HistoriesDependencies<Data>;
  readonly #feeds = new Map<string, Feed<Data>>();
  readonly #appends = new Map<string, Appends>();
  readonly #budget: ByteBudget;
  readonly #pages: Pages;
  readonly #pace: ReplayPace;
  readonly #doubts = new Doubts((topic) => this.#renew(topic));
  #verifying = false;
  #verifyAgain = false;

  constructor(deps: HistoriesDependencies<Data>) {
    this.#deps = deps;
    this.#budget = new ByteBudget(deps.limits.maxHistoryBytes);
    this.#pages = new Pages(deps.store);
    this.#pace = new ReplayPace(deps.limits.maxReplayBytes);
  }

  // ---- publishing ----

  /** Appends, then delivers. Rejects as {@link HistoryStore.append} does; then nothing was delivered. */
  publish(
    topic: string,
    window: HistoryWindow,
    frame: Frame,
    except: Except,
    options: SendToTopicOptions = {},
  ): Promise<Delivery> {
    const { payload } = frame;
    const data = typeof payload === "string" ? payload.toWellFormed() : payload;
    const { key, signal } = options;
    if (key !== undefined) checkKey(key);
    const deadlineMs = deadlineOf(options, this.#deps.limits.timeoutMs);
    const done = (placed: Placed): Promise<Delivery> => this.#deliver(topic, frame, except, deadlineMs, placed);
    const message = { data, key, bytes: frame.messageBytes, deadlineMs, signal };
    return unlessAborted(this.#appendsTo(topic, window).add(message, done), signal);
  }

  #appendsTo(topic: string, window: HistoryWindow): Appends {
    let appends = this.#appends.get(topic);
    if (appends) return appends;
    appends = new Appends(topic, window, {
      store: this.#deps.store,
      budget: this.#budget,
      doubt: (name) => this.#doubts.add(name),
      idle: () => void this.#appends.delete(topic),
    });
    this.#appends.set(topic, appends);
    return appends;
  }

  async #deliver(
    topic: string,
    frame: Frame,
    except: Except,
    deadlineMs: number,
    { position, repeated }: Placed,
  ): Promise<Delivery> {
    if (repeated) {
      // The node that published it first may have died before it delivered it, or does not know of it.
      this.#doubts.add(topic);
      return { ...NONE, unreachable: [], ...position };
    }
    frame.place = position;
    const here = this.arrive(topic, frame, except);
    const timeoutMs = Math.max(1, deadlineMs - performance.now());
    const there = await this.remote?.publish(topic, frame, except, { timeoutMs });
    await this.#deps.clients.written();
    const { delivered, held, dropped } = typeof here === "function" ? here() : (await here) ?? NONE;
    return {
      delivered: delivered + (there?.delivered ?? 0),
      held: held + (there?.held ?? 0),
      dropped: dropped + (there?.dropped ?? 0),
      unreachable: there?.unreachable ?? [],
      ...position,
    };
  }

  /**
   * Delivers the newest message of the topic again. Nodes that have it ignore that; one that lacks it, or any before it, notices by the offset.
   * Not if the epoch is another than that of the listeners here: then its messages may have come under other places. Rejects if the store fails.
   */
  async #renew(topic: string): Promise<void> {
    const { end, messages: [newest] } = await this.#deps.store.read(topic, { from: { last: 1 } });
    const feed = this.#feeds.get(topic);
    const isOther = feed?.at !== undefined && feed.at.epoch !== end.epoch;
    await feed?.reach(end);
    if (!newest || isOther) return;
    await this.remote?.publish(topic, frameOf(newest, end.epoch), undefined, {
      timeoutMs: this.#deps.limits.timeoutMs,
    });
  }

  /** A message with its place came, from this node or from another; undefined if the topic has no listeners here. */
  arrive(topic: string, frame: Frame, except: Except): Arrival | undefined {
    return this.#feeds.get(topic)?.arrive(frame, except);
  }

  // ---- listening ----

  /**
   * Settles when the listeners on the topic get everything that is published from now on: once `announced` settled, by which the other nodes
   * know of them. Rejects if the store fails.
   */
  async attach(topic: string, announced: Promise<unknown> | undefined): Promise<Position> {
    await announced;
    try {
      const feed = await this.#attached(topic);
      return feed.at ?? { epoch: "", offset: 0 };
    } finally {
      this.left(topic);
    }
  }

  /** Makes the client, which waits for it, listen from an earlier place. Rejects, and changes nothing, when that fails. */
  async join(client: HubClient<Data>, call: JoinCall): Promise<Recovery> {
    checkFrom(call.from);
    await call.subscriptions.announced(call.topic, call.options);
    return await unlessAborted(this.#join(client, call), call.options.signal);
  }

  async #join(client: HubClient<Data>, { topic, window, from, mark }: JoinCall): Promise<Recovery> {
    const { clients, limits } = this.#deps;
    try {
      const feed = await this.#attached(topic);
      const deps = { clients, limits, pages: this.#pages, pace: this.#pace, window };
      return await new Join<Data>(client, feed, mark, deps).run(from);
    } finally {
      this.left(topic);
    }
  }

  /** Lets a part of this node listen on a topic. Returns what ends that. Rejects if the store fails. */
  async hear(topic: string, ear: Ear, subscriptions: HearableTopics): Promise<() => void> {
    let heard: { readonly feed: Feed<Data>; readonly late: LateEar } | undefined;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      heard?.feed.ears.delete(heard.late);
      subscriptions.unhold(topic);
    };
    try {
      await subscriptions.hold(topic);
      const feed = await this.#attached(topic);
      const late = new LateEar(ear);
      heard = { feed, late };
      feed.ears.add(late);
      if (feed.at && ear.hearsKept) await hearKept(this.#deps.store, topic, feed.at, ear);
      late.live();
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** The last message of the topic that listeners here got; undefined if nobody listens. */
  placeOf(topic: string): Position | undefined {
    return this.#feeds.get(topic)?.at;
  }

  /** A client left the topic: forgets it if that was the last. */
  left(topic: string): void {
    const feed = this.#feeds.get(topic);
    if (feed && !this.#deps.clients.topics.has(topic)) this.#drop(topic, feed);
  }

  #feed(topic: string): Feed<Data> {
    let feed = this.#feeds.get(topic);
    if (feed) return feed;
    const { clients, store, limits, failed } = this.#deps;
    const gap = (at: Position): void => this.gap(topic, at, clients.topics.listeners(topic) ?? []);
    feed = new Feed<Data>(topic, { clients, store, limits, gap, failed });
    this.#feeds.set(topic, feed);
    return feed;
  }

  /** The feed, once its place is known. Only if that fails it goes: others may wait for it. */
  async #attached(topic: string): Promise<Feed<Data>> {
    const feed = this.#feed(topic);
    try {
      await feed.attached();
      return feed;
    } catch (error) {
      this.#drop(topic, feed);
      throw error;
    }
  }

  #drop(topic: string, feed: Feed<Data>): void {
    if (this.#feeds.get(topic) === feed) this.#feeds.delete(topic);
    feed.close();
  }

  /** These listeners go on after this place, and may have missed messages before it. */
  gap(topic: string, position: Position, listeners: Iterable<HubClient<Data>>): void {
    const frame = Frame.control(gapLine(topic, position));
    const newest = this.#deps.clients.topics.listeners(topic)?.newest;
    for (const client of listeners) {
      // It would come after the gap, from a place before it.
      newest?.forget(client);
      if (client.tagged?.has(topic)) client.outbox.enqueue(frame);
    }
    this.#deps.events.dispatch("gap", { topic, ...position });
  }

  /** Messages may have been missed: looks whether the store has any that did not come, as soon as it can be asked. */
  verify(): void {
    this.#verifyAgain = true;
    if (!this.#verifying) void this.#verify();
  }

  async #verify(): Promise<void> {
    this.#verifying = true;
    while (this.#verifyAgain) {
      this.#verifyAgain = false;
      const feeds = [...this.#feeds.values()];
      const worker = async (): Promise<void> => {
        for (let feed = feeds.pop(); feed; feed = feeds.pop()) await feed.verify();
      };
      await Promise.all(Array.from({ length: VERIFIED_AT_ONCE }, worker)).catch((error: unknown) => {
        feeds.length = 0;
        this.#deps.failed("could not look for missed messages of topics, and tries again", error);
        if (this.#feeds.size > 0) unref(setTimeout(() => this.verify(), VERIFY_AGAIN_MS));
      });
    }
    this.#verifying = false;
  }

  // ---- reading ----

  history(topic: string, options: HistoryReadOptions): Promise<HistoryPage> {
    const { from, to, limit, reverse, signal } = options;
    return this.#deps.store.read(topic, { from, to, limit, reverse, signal });
  }

  position(topic: string, { signal }: SendOptions): Promise<Position> {
    return this.#deps.store.position(topic, { signal });
  }

  /** Forgets all topics. */
  close(): void {
    this.#doubts.close();
    for (const [topic, feed] of this.#feeds) this.#drop(topic, feed);
  }
}

/** Opens the history of a hub: without a store, one in memory. */
export function openHistories<Data>(
  { clients, limits, logger, state }: HistoriesNode<Data>,
  store: HistoryStore = new MemoryHistory(),
): Histories<Data> {
  return new Histories<Data>({
    clients,
    limits,
    store,
    events: state.events,
    failed: (text, error) => logger.warn(`meshsocket: ${text}`, error, about("history_failed")),
  });
}

const VERIFIED_AT_ONCE = 16;
/** Milliseconds until a look that failed is made again. */
const VERIFY_AGAIN_MS = 1_000;

/** How a client joins a topic. */
export interface JoinCall {
  readonly topic: string;
  readonly window: HistoryWindow;
  readonly from: From;
  readonly options: SendOptions;
  /** Of the client's present attempt: it waits for the topic as long as the mark holds. */
  readonly mark: object;
  readonly subscriptions: JoinableTopics;
}

/** The subscriptions of a hub, as a client that joins needs them. */
interface JoinableTopics {
  /** Settles when the other nodes know that this one has listeners on the topic; undefined if there are none. */
  announced(topic: string, options: SendOptions): Promise<unknown> | undefined;
}

/** The subscriptions of a hub, as a part of it that listens needs them. */
export interface HearableTopics {
  /** A part of this node listens. Settles when the other nodes know that. */
  hold(topic: string): Promise<unknown> | undefined;
  /** Ends what {@link HearableTopics.hold} began. */
  unhold(topic: string): void;
}

/** The node whose topics these are. */
export interface HistoriesNode<Data> {
  readonly clients: Clients<Data>;
  readonly limits: Readonly<Limits>;
  readonly logger: Logger;
  readonly state: {
    readonly events: { dispatch(type: "gap", event: { readonly topic: string } & Position): void };
  };
}

/** Dependencies of {@link Histories}. */
export interface HistoriesDependencies<Data> {
  readonly clients: Clients<Data>;
  readonly limits: Readonly<Limits>;
  readonly store: HistoryStore;
  readonly events: HistoriesNode<Data>["state"]["events"];
  /** The store failed. */
  failed(this: void, text: string, error: unknown): void;
}
