import type { Counters } from "../../base/counters/counters.ts";
import { unref } from "../../base/tick.ts";
import type { Frame } from "../../send/frame.ts";
import type { Outbox, OutboxClient } from "../outbox.ts";

/**
 * The newest message of one topic for the clients of this node that read too slowly, with the option `slowConsumer: "latest"`.
 *
 * While a client lags behind, a message of the topic waits here and takes the place of the one before it. The client gets it
 * once it has read most of what it was sent.
 */
export class Newest<Own extends SlowClient> {
  readonly #waiting = new Map<Own, Frame>();
  readonly #owner: SlowReaders<Own>;
  readonly #isTagged: (client: Own) => boolean;
  readonly #topic: string;
  /** The last message that waited, for all clients that get it late. */
  #late: { readonly of: Frame; readonly frame: Frame } | undefined = undefined;

  /** `isTagged`: whether a client gets the messages with their topic. */
  constructor(topic: string, owner: SlowReaders<Own>, isTagged: (client: Own) => boolean) {
    this.#topic = topic;
    this.#owner = owner;
    this.#isTagged = isTagged;
  }

  /** Keeps the last of these frames if the client lags behind; false if it is to get all of them now. */
  keep(client: Own, frames: readonly Frame[], bytes: number): boolean {
    const newest = frames.at(-1);
    if (newest === undefined) return false;
    const { counters } = this.#owner;
    const lags = client.outbox.lags(bytes);
    if (this.#waiting.has(client)) counters.conflated++;
    if (!lags) {
      this.#waiting.delete(client);
      return false;
    }
    counters.conflated += frames.length - 1;
    for (const frame of frames) frame.held++;
    this.#waiting.set(client, newest);
    this.#owner.wait(this);
    return true;
  }

  /** Sends what waits to the clients that do not lag behind any more; false if nothing waits after that. */
  release(): boolean {
    for (const client of [...this.#waiting.keys()]) {
      // Newer messages of this tick may have taken its place, or go out before it.
      client.outbox.catchUp();
      const frame = this.#waiting.get(client);
      if (frame === undefined || client.outbox.lags(frame.byteLength)) continue;
      this.#waiting.delete(client);
      client.outbox.enqueue(this.#formFor(client, frame));
    }
    if (this.#waiting.size > 0) return true;
    this.#late = undefined;
    return false;
  }

  /** The message that waits for a client, as it is to get it. It waits no more. */
  take(client: Own): Frame | undefined {
    const frame = this.#waiting.get(client);
    this.#waiting.delete(client);
    return frame && this.#formFor(client, frame);
  }

  /** Nothing of what was published so far is for the client any more. */
  forget(client: Own): void {
    if (this.#waiting.delete(client) && !client.open) this.#owner.counters.dropped++;
  }

  /** Its publisher hears that the message is held, whatever becomes of this form of it. */
  #formFor(client: Own, frame: Frame): Frame {
    if (this.#late?.of !== frame) this.#late = { of: frame, frame: frame.twin() };
    const late = this.#late.frame;
    return this.#isTagged(client) ? late.tag(this.#topic) : late;
  }
}

/** Looks now and then whether the slow clients of a node have read. */
export class SlowReaders<Own extends SlowClient> {
  readonly counters: Counters;
  /** Whether slow clients get only the newest message of a topic. */
  readonly isLatest: (topic: string) => boolean;
  readonly #topics = new Set<Newest<Own>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(counters: Counters, isLatest: (topic: string) => boolean) {
    this.counters = counters;
    this.isLatest = isLatest;
  }

  /** Undefined if slow clients get every message of the topic. */
  of(topic: string, isTagged: (client: Own) => boolean): Newest<Own> | undefined {
    return this.isLatest(topic) ? new Newest(topic, this, isTagged) : undefined;
  }

  /** A message of the topic waits. */
  wait(topic: Newest<Own>): void {
    this.#topics.add(topic);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#look(), LOOK_MS);
    unref(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    for (const topic of [...this.#topics]) {
      if (topic.release()) this.wait(topic);
      else this.#topics.delete(topic);
    }
  }
}

/** Milliseconds after which slow clients are looked at again. Engines do not all tell when a socket has drained. */
const LOOK_MS = 20;

/** A client that may read too slowly. */
export interface SlowClient {
  readonly open: boolean;
  readonly outbox: Pick<Outbox<OutboxClient>, "catchUp" | "enqueue" | "lags">;
}
