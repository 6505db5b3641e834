import { MeshError } from "../src/base/error.ts";
import type { Place } from "../src/wire/topics.ts";
import type { CallOptions } from "./calls.ts";
import type { Pending } from "./events.ts";

/** The cost of a message in the queue besides its own length. */
const MESSAGE_COST = 64;

/**
 * The messages of one topic, in order: iterate it, or set `onmessage`.
 *
 * It ends with `close()`, `break` or the WebSocket's `close()`, and throws the reason of its signal. It throws a MeshError if the
 * server ended it (`permission_denied`) or does not take it again after `lost`, if the connection is closed for good
 * (`unavailable`), and if over `maxBytes` of messages waited to be read (`resource_exhausted`). After `lost` it subscribes again
 * by itself.
 */
export class Subscription implements AsyncIterableIterator<Publication, undefined> {
  readonly topic: string;
  /** Whether nothing is missing since it began: false after the server lost the client, unless the topic's history filled the gap. */
  recovered = true;
  readonly #maxBytes: number;
  readonly #leave: (error: unknown) => void;
  readonly #queue: Publication[] = [];
  #bytes = 0;
  /** Calls of `next` that wait for a message. */
  readonly #waiting: Waiting[] = [];
  #handler: ((message: Publication) => unknown) | null = null;
  #ended = false;
  #error: unknown;

  /** @internal */
  constructor(topic: string, maxBytes: number, leave: (error: unknown) => void) {
    this.topic = topic;
    this.#maxBytes = maxBytes;
    this.#leave = leave;
  }

  /** Called with each message, in place of the iterator, and at once with those that wait. */
  get onmessage(): ((message: Publication) => unknown) | null {
    return this.#handler;
  }

  set onmessage(handler: ((message: Publication) => unknown) | null) {
    this.#handler = handler;
    for (const message of handler ? this.#queue.splice(0) : []) this.#handle(message);
    if (handler) this.#bytes = 0;
  }

  /** The next message. Rejects once with the error that ended it, after the messages that came before. */
  next(): Promise<IteratorResult<Publication, undefined>> {
    const value = this.#queue.shift();
    if (value) {
      this.#bytes -= costOf(value);
      return Promise.resolve({ done: false, value });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#ended) this.#finish();
    });
  }

  /** Ends the subscription. */
  return(): Promise<IteratorResult<Publication, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends it: messages that wait are dropped, and no more come. */
  close(): void {
    this.#queue.length = 0;
    this.end(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @internal */
  push(message: Publication): void {
    if (this.#ended) return;
    if (this.#handler) return this.#handle(message);
    const waiting = this.#waiting.shift();
    if (waiting) return waiting.resolve({ done: false, value: message });
    this.#bytes += costOf(message);
    if (this.#bytes <= this.#maxBytes) return void this.#queue.push(message);
    const error = new MeshError("resource_exhausted", `over ${this.#maxBytes} bytes of "${this.topic}" were not read`);
    console.error("meshsocket: ended a subscription", error);
    this.end(error);
  }

  /** @internal */
  end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#leave(error);
    this.#finish();
  }

  #finish(): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (this.#error === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(this.#error);
      this.#error = undefined;
    }
  }

  #handle(message: Publication): void {
    try {
      this.#handler?.(message);
    } catch (error) {
      console.error("meshsocket: onmessage of a subscription failed", error);
    }
  }
}

/** One message of a topic. */
export interface Publication extends Place {
  readonly topic: string;
  /** A string if it was sent as text, bytes if as binary. */
  readonly data: Pending;
}

/** {@link CallOptions} for a subscription. */
export interface SubscribeOptions extends CallOptions {
  /** Bytes of messages that may wait to be read. Over it the subscription ends with `resource_exhausted`. Default 4,194,304. */
  maxBytes?: number;
  /**
   * The earlier messages that come first, of a topic that keeps history: after a position, the newest so many, or those of the last milliseconds.
   * Default: the place that `positions` of the options remembers, or else none. Of several subscriptions of a page to one topic only the first is caught up.
   */
  from?: SubscribeFrom;
  /**
   * Takes differences to the message before, if the server sends them for the topic (`delta: true`): for states that change little. The messages
   * are the same. Default false. Of several subscriptions of a page to one topic the first decides.
   */
  delta?: boolean;
}

/** Where a subscription begins. */
export type SubscribeFrom = Place | { readonly last: number } | { readonly ms: number };

function costOf({ data }: Publication): number {
  return data.length + MESSAGE_COST;
}

interface Waiting {
  resolve(result: IteratorResult<Publication, undefined>): void;
  reject(error: unknown): void;
}
