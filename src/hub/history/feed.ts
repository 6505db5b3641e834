import { backoffMs } from "../../base/backoff.ts";
import { BoundedMap } from "../../base/bounded-map.ts";
import type { Limits } from "../../base/limits.ts";
import type { Clients } from "../../client/clients.ts";
import type { HistoryPage, HistoryStore, KeptMessage } from "../../history/history.ts";
import { Frame } from "../../send/frame.ts";
import type { Position } from "../../send/position.ts";
import type { Except } from "../../send/verbs.ts";
import type { Ear } from "./ear.ts";
import { Tail } from "./tail.ts";

/**
 * The live messages of one topic with history, as this node gives them to its listeners: each once, in the order of their offsets.
 *
 * A message that comes before its predecessors is held back. If they do not come in {@link HOLD_MS} they are read from the store. If the store
 * no longer has them, or continuity cannot be proved, the listeners are told of the gap before anything else reaches them.
 */
export class Feed<Data> {
  readonly topic: string;
  /** The messages that joining clients may have missed. */
  readonly tail: Tail = new Tail();
  /** Parts of this node that listen besides its clients. */
  readonly ears: Set<Ear> = new Set();
  readonly #deps: FeedDependencies<Data>;
  /** The last message that the listeners got, or were told of; undefined until it is known. */
  #at: Position | undefined;
  #attached: Promise<void> | undefined;
  /** By epoch and offset: messages whose predecessors have not come. */
  readonly #held = new Map<string, Map<number, Held>>();
  #heldCount = 0;
  #heldBytes = 0;
  /** The last message that was not held because too many were: it must be read. */
  #behind: Position | undefined;
  /** By epoch that ended: the last offset of it that the listeners got, or were told of. */
  readonly #ended = new BoundedMap<string, number>(MAX_ENDED);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #catching: Promise<void> | undefined;
  #closed = false;

  constructor(topic: string, deps: FeedDependencies<Data>) {
    this.topic = topic;
    this.#deps = deps;
  }

  /** Settles when the place is known from which on listeners get everything. Rejects if the store fails. */
  attached(): Promise<void> {
    return (this.#attached ??= this.#attach());
  }

  async #attach(): Promise<void> {
    const at = await this.#deps.store.position(this.topic);
    if (this.#closed) return;
    this.#moveTo(at);
    this.#drain();
    this.#goOn();
  }

  /** The last message that the listeners got; undefined until {@link attached} settled. */
  get at(): Position | undefined {
    return this.#at;
  }

  /** A message came from this node or from another. What became of it is known when this tick was written, or later. */
  arrive(frame: Frame, except: Except): Arrival {
    const at = this.#at;
    const { epoch = "", offset = 0 } = frame.place ?? {};
    if (at?.epoch !== epoch || offset > at.offset + 1) return this.#hold(frame, except);
    if (offset <= at.offset) return () => ({ ...NONE, delivered: this.#listeners });
    const offered = this.#deliver(frame, except);
    if (this.#heldCount > 0) this.#drain();
    return countsOf(offered, frame);
  }

  /** Settles when the listeners got everything up to this place, or were told of a gap. */
  async reach(place: Position): Promise<void> {
    if (this.#hasReached(place)) return;
    if (this.#at?.epoch === place.epoch) await sleep(HOLD_MS);
    // One that is under way may have been read before there was such a place.
    await this.#catching;
    if (!this.#hasReached(place) && !this.#closed) await this.#catchUp();
  }

  #hasReached({ epoch, offset }: Position): boolean {
    return this.#at?.epoch === epoch && this.#at.offset >= offset;
  }

  /** Looks whether the store has messages that did not come. Rejects if it cannot be asked. */
  async verify(): Promise<void> {
    await this.reach(await this.#deps.store.position(this.topic));
  }

  /** Whether nothing comes to it any more. */
  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const held of this.#allHeld()) held.settle(NONE);
    this.#held.clear();
    for (const ear of this.ears) ear.closed();
  }

  get #listeners(): number {
    return this.#deps.clients.topics.listeners(this.topic)?.size ?? 0;
  }

  // ---- messages in order ----

  #deliver(frame: Frame, except: Except): number {
    if (frame.place) this.#at = frame.place;
    this.tail.add(frame);
    for (const ear of this.ears) ear.message(frame.payload);
    return this.#deps.clients.publish(this.topic, frame, except);
  }

  /** Delivers the held messages whose turn has come. */
  #drain(): void {
    for (let held = this.#next(); held; held = this.#next()) {
      this.#release(held);
      const offered = this.#deliver(held.frame, held.except);
      void this.#deps.clients.written().then(() => held.settle(countsOf(offered, held.frame)()));
    }
    if (this.#heldCount > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Looks for what is missing: at once if messages were not held, or else after a moment. */
  #goOn(): void {
    if (this.#behind && this.#at && !this.#closed) void this.#catchUp();
    else this.#watch();
  }

  /** Held messages wait for a moment, and are then looked for. */
  #watch(): void {
    if (this.#heldCount > 0 && this.#at && !this.#closed) this.#timer ??= setTimeout(() => this.#overdue(), HOLD_MS);
  }

  #next(): Held | undefined {
    return this.#at && this.#held.get(this.#at.epoch)?.get(this.#at.offset + 1);
  }

  /** The listeners go on from another place: what lies between is not known. */
  #gap(to: Position): void {
    this.#moveTo(to);
    for (const ear of this.ears) ear.gap();
    this.#deps.gap(to);
  }

  #moveTo(at: Position): void {
    if (this.#at && this.#at.epoch !== at.epoch) this.#noteOver(this.#at);
    this.#ended.delete(at.epoch);
    this.#at = at;
    this.tail.begin(at);
    for (const held of this.#allHeld()) {
      if (held.position.epoch !== at.epoch || held.position.offset > at.offset) continue;
      this.#release(held);
      held.settle({ ...NONE, delivered: this.#listeners });
    }
  }

  // ---- messages that came too early ----

  #hold(frame: Frame, except: Except): Promise<Counts> {
    const { promise, resolve: settle } = Promise.withResolvers<Counts>();
    const position = frame.place ?? NOWHERE;
    const full = this.#heldCount >= MAX_HELD || this.#heldBytes + frame.byteLength > MAX_HELD_BYTES;
    // One too many is read from the store, which has it.
    if (full) settle(this.#waiting);
    else this.#keep({ frame, except, position, settle });
    if (full) this.#behind = position;
    this.#goOn();
    return promise;
  }

  #keep(held: Held): void {
    const { epoch, offset } = held.position;
    const twin = this.#held.get(epoch)?.get(offset);
    if (twin) this.#drop(twin);
    let ofEpoch = this.#held.get(epoch);
    if (!ofEpoch) this.#held.set(epoch, ofEpoch = new Map<number, Held>());
    ofEpoch.set(offset, held);
    this.#heldCount++;
    this.#heldBytes += held.frame.byteLength;
  }

  #release({ position: { epoch, offset }, frame }: Held): void {
    const ofEpoch = this.#held.get(epoch);
    if (!ofEpoch?.delete(offset)) return;
    if (ofEpoch.size === 0) this.#held.delete(epoch);
    this.#heldCount--;
    this.#heldBytes -= frame.byteLength;
  }

  #allHeld(): Held[] {
    return [...this.#held.values()].flatMap((ofEpoch) => [...ofEpoch.values()]);
  }

  /** The counts of a message that listeners get once those before it came. */
  get #waiting(): Counts {
    return { ...NONE, held: this.#listeners };
  }

  #overdue(): void {
    this.#timer = undefined;
    for (const held of this.#allHeld()) held.settle(this.#waiting);
    void this.#catchUp();
  }

  // ---- messages that did not come ----

  /** Reads what is missing from the store. Never rejects. */
  #catchUp(): Promise<void> {
    return (this.#catching ??= this.#readMissing().finally(() => {
      this.#catching = undefined;
      this.#goOn();
    }));
  }

  async #readMissing(): Promise<void> {
    const deadlineMs = performance.now() + this.#deps.limits.timeoutMs;
    for (let failures = 0; this.#at && !this.#closed;) {
      const held = this.#allHeld();
      const behind = this.#behind;
      try {
        const page = await this.#deps.store.read(this.topic, { from: this.#at });
        if (this.#closed) return;
        this.#take(page, held);
        if (page.more) continue;
        if (this.#behind === behind) this.#behind = undefined;
        if (!this.#behind) return;
      } catch (error) {
        if (performance.now() > deadlineMs) return this.#goOnWithout(error);
        await sleep(backoffMs(failures++));
      }
    }
  }

  /** `held` were appended before the page was asked for. */
  #take({ end, messages, more }: HistoryPage, held: readonly Held[]): void {
    const { epoch, offset } = end;
    const isUntold = this.#dropAll(held.filter(({ position }) => position.epoch !== epoch));
    if (this.#at?.epoch !== epoch) this.#skipTo(end);
    else if (isUntold) this.#gap(this.#at);
    for (const message of messages) this.#fill(message, epoch);
    if (more || this.#at?.epoch !== epoch) return;
    // Messages that are not kept any more.
    if (this.#at.offset < offset) this.#skipTo(end);
    // The store lost its newest messages.
    const known = Math.max(offset, this.#at.offset);
    const lost = held.some(({ position }) => position.epoch === epoch && position.offset > known + 1);
    if (lost) this.#skipTo({ epoch, offset: Infinity });
  }

  /** The listeners go on with the first message that is held, or else after this place. */
  #skipTo({ epoch, offset }: Position): void {
    // An epoch may come back: then its messages up to this one came.
    const known = this.#ended.get(epoch) ?? 0;
    this.#gap({ epoch, offset: Math.max(known, Math.min(offset, this.#lowest(epoch) - 1)) });
    this.#drain();
  }

  #fill(message: KeptMessage, epoch: string): void {
    const at = this.#at;
    if (at?.epoch !== epoch || message.offset <= at.offset) return;
    if (message.offset > at.offset + 1) this.#gap({ epoch, offset: message.offset - 1 });
    this.#deliver(frameOf(message, epoch), undefined);
    this.#drain();
  }

  /** Drops messages of epochs that are over; true if the listeners miss some of them and were not told. */
  #dropAll(held: readonly Held[]): boolean {
    for (const one of held) this.#drop(one);
    return held.filter(({ position }) => this.#noteOver(position)).length > 0;
  }

  /** The listeners got, or were told of, everything up to this place of an epoch that is over; true if they were not yet. */
  #noteOver({ epoch, offset }: Position): boolean {
    const isNews = offset > (this.#ended.get(epoch) ?? -1);
    if (isNews) this.#ended.set(epoch, offset);
    return isNews;
  }

  #drop(held: Held): void {
    this.#release(held);
    held.settle(NONE);
  }

  /** The store cannot be read: the listeners are told, and get what came. */
  #goOnWithout(error: unknown): void {
    this.#deps.failed(`could not read missed messages of topic ${JSON.stringify(this.topic)}`, error);
    const present = this.#allHeld().findLast(({ position }) => !this.#ended.has(position.epoch))?.position.epoch;
    const isUntold = this.#dropAll(this.#allHeld().filter(({ position }) => position.epoch !== present));
    if (present !== undefined) { while (this.#heldCount > 0) this.#skipTo({ epoch: present, offset: Infinity }); }
    else if (isUntold && this.#at) this.#gap(this.#at);
    const { epoch, offset = 0 } = this.#behind ?? {};
    this.#behind = undefined;
    if (epoch !== undefined && epoch === this.#at?.epoch && offset > this.#at.offset) this.#gap({ epoch, offset });
  }

  /** The lowest held offset of an epoch; Infinity if there is none. */
  #lowest(epoch: string): number {
    return Math.min(...this.#held.get(epoch)?.keys() ?? []);
  }
}

/** A message that was read from the store, with its place. */
export function frameOf({ data, offset }: KeptMessage, epoch: string): Frame {
  const frame = Frame.of(data);
  frame.place = { epoch, offset };
  return frame;
}

/** Milliseconds that a message waits for those before it, which other nodes may have published, before they are read from the store. */
export const HOLD_MS = 20;
/** Messages, and their bytes, that are held back; one too many is read from the store later. */
const MAX_HELD = 1_024;
const MAX_HELD_BYTES = 4_194_304;
/** Epochs that are remembered: of an older one a late message may be taken for one that is missing. */
const MAX_ENDED = 8;

const NOWHERE: Position = { epoch: "", offset: 0 };

/** The outcome of one message on one node. */
export interface Counts {
  readonly delivered: number;
  readonly held: number;
  readonly dropped: number;
}

export const NONE: Counts = { delivered: 0, held: 0, dropped: 0 };

/** The counts, once this tick was written; or when they are known. */
export type Arrival = (() => Counts) | Promise<Counts>;

function countsOf(offered: number, frame: Frame): () => Counts {
  return () => {
    const { held, refused } = frame.outcome;
    return { delivered: offered - held - refused, held, dropped: refused };
  };
}

interface Held {
  readonly frame: Frame;
  readonly except: Except;
  readonly position: Position;
  readonly settle: (counts: Counts) => void;
}

/** Dependencies of {@link Feed}. */
export interface FeedDependencies<Data> {
  readonly clients: Clients<Data>;
  readonly store: HistoryStore;
  /** After `timeoutMs` the listeners go on without messages that cannot be read. */
  readonly limits: Pick<Limits, "timeoutMs">;
  /** The listeners go on after this place: what lies between is not known. */
  gap(this: void, position: Position): void;
  /** The store failed. */
  failed(this: void, text: string, error: unknown): void;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
