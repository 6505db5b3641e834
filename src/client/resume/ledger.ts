import type { Budget } from "./budget.ts";
import { Burst } from "../../send/burst.ts";
import { Frame } from "../../send/frame.ts";
import { headerBytes } from "../../send/frame-header.ts";
import { partsOf } from "../../wire/v1.ts";
import type { HeldMessage } from "./handover.ts";

/**
 * The messages to and from one client of meshsocket.v1, counted, with those to it that it has not acknowledged.
 *
 * One entry is kept for each tick: the burst of that tick, or its only text. All clients that got the same frames share
 * it.
 */
export class Ledger {
  /** Messages that were sent to the client or are held for it. */
  sent = 0;
  /** How many of them it acknowledged. */
  acked = 0;
  /** Messages that came from the client. */
  received = 0;
  /** How many of them were handed to the application. */
  handled = 0;
  /** How many were acknowledged to the client. */
  ackSent = 0;
  /** Bytes that are kept. */
  bytes = 0;
  readonly #maxBytes: number;
  readonly #budget: Budget;
  readonly #kept: Kept[] = [];
  /** How many messages come before the first that is kept. */
  #first = 0;

  constructor(maxBytes: number, budget: Budget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  /** Whether everything that the client did not acknowledge is kept, so that it can resume. */
  get complete(): boolean {
    return this.#first <= this.acked;
  }

  /** Whether so many messages more, of so many bytes together, could be kept. */
  hasRoom(messages: number, bytes: number): boolean {
    const cost = bytes + messages * MESSAGE_BYTES;
    return this.complete && this.bytes + cost <= this.#maxBytes && this.#budget.hasRoom(cost);
  }

  /** Whether messages that come from another node could be kept as well as those that are here. */
  hasRoomFor(messages: readonly HeldMessage[]): boolean {
    const bytes = messages.reduce((sum, { data: { length } }) => sum + headerBytes(length) + length, 0);
    return this.hasRoom(messages.length, bytes);
  }

  /** Keeps the frames of a tick. Beyond the bounds the oldest are forgotten: until they are acknowledged, the client cannot resume. */
  keep(burst: Burst): void {
    this.#keep(keptOf(burst));
  }

  #keep(kept: Kept): void {
    this.sent += messagesIn(kept);
    this.#kept.push(kept);
    this.#count(costOf(kept));
    while (this.#kept.length > 0 && (this.bytes > this.#maxBytes || !this.#budget.hasRoom(0))) this.#forget();
  }

  /** The client has so many messages. False if that many were never sent. */
  ack(count: number): boolean {
    if (count > this.sent) return false;
    if (count <= this.acked) return true;
    this.acked = count;
    let acknowledged = 0;
    let bytes = 0;
    for (const kept of this.#kept) {
      const messages = messagesIn(kept);
      if (this.#first + messages > count) break;
      this.#first += messages;
      bytes += costOf(kept);
      acknowledged++;
    }
    this.#kept.splice(0, acknowledged);
    this.#count(-bytes);
    return true;
  }

  /** The frames after the first `count` messages, as they are sent again. */
  after(count: number): Frame[] {
    return this.framesAfter(count).map((frame) => frame.forV1);
  }

  /** The frames after the first `count` messages, as the application sent them. */
  framesAfter(count: number): Frame[] {
    return this.#kept.flatMap(framesIn).slice(count - this.#first);
  }

  /** Goes on with the counts and the messages from another node, before those that are kept already. */
  arrive(received: number, handled: number, frames: readonly Frame[]): void {
    const here = this.#kept.splice(0);
    const burst = frames.reduce<Burst | undefined>((before, frame) => Burst.add(before, frame), undefined);
    this.#first = this.acked = this.sent = received;
    this.received = this.handled = handled;
    for (const each of here) this.#count(-costOf(each));
    if (burst) this.keep(burst);
    for (const each of here) this.#keep(each);
  }

  /** The messages of the application that the client did not acknowledge, as far as they are kept, and those that `wait` to be sent. */
  undelivered(wait: readonly Frame[]): (string | Uint8Array)[] {
    const frames = this.#kept.flatMap(framesIn).slice(Math.max(0, this.acked - this.#first));
    return messagesOf([...frames, ...wait]);
  }

  /** Forgets everything. */
  clear(): void {
    while (this.#kept.length > 0) this.#forget();
  }

  #forget(): void {
    const kept = this.#kept.shift();
    if (kept === undefined) return;
    this.#first += messagesIn(kept);
    this.#count(-costOf(kept));
  }

  #count(bytes: number): void {
    this.bytes += bytes;
    this.#budget.bytes += bytes;
  }
}

/** The messages of the application among these frames. */
export function messagesOf(frames: readonly Frame[]): (string | Uint8Array)[] {
  return frames.map(wholeOf).flatMap((frame) => {
    if (!frame.isControl) return [frame.payload];
    const { name, payload } = partsOf(frame.payload);
    return name === "message" ? [payload] : [];
  });
}

/** The message itself, of its delta as well. */
export function wholeOf(frame: Frame): Frame {
  return frame.whole ?? frame;
}

/** The cost of a message besides its own bytes. */
const MESSAGE_BYTES = 64;

/** Longer texts are kept as bursts, which have their bytes already. */
const MAX_KEPT_CHARS = 1_024;

/**
 * A burst as it is kept: its only message as a text, if a frame made of that is the same.
 *
 * A text is one object, a burst has frames and arrays. All that is kept until it is acknowledged is work for the garbage
 * collector.
 */
type Kept = Burst | string;

function keptOf(burst: Burst): Kept {
  const [frame] = burst.frames;
  if (burst.length > 1 || frame === undefined || frame.isControl) return burst;
  const { compress, messageBytes, place, raw } = frame;
  const isPlain = compress === undefined && place === undefined && messageBytes <= MAX_KEPT_CHARS;
  return isPlain && typeof raw === "string" && raw.length === messageBytes ? raw : burst;
}

function messagesIn(kept: Kept): number {
  return typeof kept === "string" ? 1 : kept.length;
}

function framesIn(kept: Kept): readonly Frame[] {
  return typeof kept === "string" ? [Frame.of(kept)] : kept.frames;
}

function costOf(kept: Kept): number {
  if (typeof kept === "string") return headerBytes(kept.length) + kept.length + MESSAGE_BYTES;
  return kept.byteLength + kept.length * MESSAGE_BYTES;
}
