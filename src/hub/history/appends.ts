import { errorCode, MeshError } from "../../base/error.ts";
import { afterTick } from "../../base/tick.ts";
import {
  type AppendResult,
  type HistoryStore,
  type HistoryWindow,
  MAX_APPEND_BYTES,
  MAX_APPEND_MESSAGES,
  type NewMessage,
} from "../../history/history.ts";
import type { Position } from "../../send/position.ts";

/**
 * The messages that one node appends to the history of one topic.
 *
 * Messages of one tick leave in one call; while a call is under way the next one grows. One call at a time keeps the order of the
 * publishes: of two, a failure may lose or delay the first alone. The caller hears of each message before those after it, and the store
 * works on the next call meanwhile.
 */
export class Appends {
  readonly #topic: string;
  readonly #window: HistoryWindow;
  readonly #deps: AppendsDependencies;
  #waiting: Waiting[] = [];
  #busy = false;
  /** Settles when the messages of the last call were handed on. */
  #placing: Promise<void> | undefined;

  constructor(topic: string, window: HistoryWindow, deps: AppendsDependencies) {
    this.#topic = topic;
    this.#window = window;
    this.#deps = deps;
  }

  /** Whether nothing waits and nothing is under way. */
  get idle(): boolean {
    return !this.#busy;
  }

  /** Appends one message. Rejects with `resource_exhausted` if too much waits, and as {@link HistoryStore.append} does. */
  add<Result>(message: WaitingMessage, done: (appended: Placed) => Promise<Result>): Promise<Result> {
    if (!this.#deps.budget.take(costOf(message))) {
      const text =
        "too much waits to be written to the history of topics: publish less, or raise limits.maxHistoryBytes";
      return Promise.reject(new MeshError("resource_exhausted", text));
    }
    return new Promise<Result>((resolve, reject) => {
      const placed = (appended: Placed): void => resolve(done(appended));
      this.#waiting.push({ message, placed, reject });
      if (this.#busy) return;
      this.#busy = true;
      afterTick(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const next = this.#next();
      if (next.length > 0) await this.#append(next);
      if (this.#waiting.length === 0) await this.#placing;
    }
    this.#busy = false;
    this.#deps.idle(this.#topic, this);
  }

  /** The messages of the next call: as many as one may have, without those whose time is over. */
  #next(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { message } of this.#waiting) {
      if (count === MAX_APPEND_MESSAGES || (count > 0 && bytes + message.bytes > MAX_APPEND_BYTES)) break;
      bytes += message.bytes;
      count++;
    }
    const now = performance.now();
    return this.#waiting.splice(0, count).filter((call) => this.#isInTime(call, now));
  }

  #isInTime({ message, reject }: Waiting, now: number): boolean {
    if (message.deadlineMs > now && message.signal?.aborted !== true) return true;
    this.#deps.budget.give(costOf(message));
    reject(new MeshError("deadline_exceeded", "the history of the topic took too long: nothing was published"));
    return false;
  }

  /** Settles when the messages are appended: the next call need not wait until all of them are delivered. */
  async #append(calls: readonly Waiting[]): Promise<void> {
    let result: AppendResult | { readonly error: unknown };
    try {
      result = await this.#deps.store.append(this.#topic, calls.map(({ message }) => message), this.#window);
    } catch (error) {
      result = { error };
    }
    await this.#placing;
    this.#placing = this.#place(calls, result);
  }

  /** Hands messages on in their order, a part of them in each turn: those of a full call would hold everything else up. */
  async #place(calls: readonly Waiting[], result: AppendResult | { readonly error: unknown }): Promise<void> {
    for (const [index, { message, placed, reject }] of calls.entries()) {
      if (index > 0 && index % PLACED_PER_TURN === 0) await new Promise<void>(afterTick);
      this.#deps.budget.give(costOf(message));
      if ("error" in result) reject(result.error);
      else {
        const { offset = 0, repeated = false } = result.appended[index] ?? {};
        placed({ position: { epoch: result.epoch, offset }, repeated });
      }
    }
    if ("error" in result && errorCode(result.error) === "unknown") this.#deps.doubt(this.#topic);
  }
}

/** A few milliseconds of the node. */
const PLACED_PER_TURN = 256;

/** A message that has its place. */
export interface Placed {
  readonly position: Position;
  /** Whether its key was published before: the place is that of the earlier message. */
  readonly repeated: boolean;
}

/** Dependencies of {@link Appends}. */
export interface AppendsDependencies {
  readonly store: HistoryStore;
  /** The bytes that may wait, over all topics. */
  readonly budget: ByteBudget;
  /** Nobody knows whether messages were appended. */
  doubt(topic: string): void;
  /** Nothing waits any more. */
  idle(topic: string, appends: Appends): void;
}

/** Bytes of which only so many may be held at once. */
export class ByteBudget {
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  /** Takes some; false if there are not so many. */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#free += bytes;
  }
}

/** A message that waits to be appended. */
export interface WaitingMessage extends NewMessage {
  readonly bytes: number;
  /** When its caller gives up, on the monotonic clock. It is not appended later. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The cost of a message besides its own bytes. */
const MESSAGE_BYTES = 256;

function costOf({ bytes }: WaitingMessage): number {
  return bytes + MESSAGE_BYTES;
}

interface Waiting {
  readonly message: WaitingMessage;
  readonly placed: (appended: Placed) => void;
  readonly reject: (error: unknown) => void;
}
