import { Frame } from "../../send/frame.ts";
import { deltaLine } from "../../wire/topics.ts";

/**
 * The listeners on one topic of a node that take deltas: messages that say how they differ from the one before.
 *
 * A listener is in step if the last message that it got is the last that was published here. It gets the next one as a delta, the same
 * for all that are in step, if that is smaller; any other listener gets the message whole, and is in step after that.
 */
export class Deltas<Member> {
  /** Whether a listener is in step. */
  readonly #listeners = new Map<Member, boolean>();
  readonly #topic: string;
  readonly #make: MakeDelta;
  /** The message published last. */
  #base: Frame | undefined;
  /** So many messages are not tried. */
  #pause = 0;
  /** How many were not tried after the last one that gained nothing, or took long. */
  #lastPause = 0;

  constructor(topic: string, make: MakeDelta) {
    this.#topic = topic;
    this.#make = make;
  }

  /** Gives a listener, which can read them, deltas from now on. */
  add(client: Member): void {
    if (!this.#listeners.has(client)) this.#listeners.set(client, false);
  }

  /** Gives a listener whole messages again. */
  delete(client: Member): void {
    this.#listeners.delete(client);
    if (this.#listeners.size === 0) this.#base = undefined;
  }

  has(client: Member): boolean {
    return this.#listeners.has(client);
  }

  isInStep(client: Member): boolean {
    return this.#listeners.get(client) === true;
  }

  /** A listener got the last message, or did not. */
  got(client: Member, it: boolean): void {
    if (this.#listeners.has(client)) this.#listeners.set(client, it);
  }

  /** The next message of the topic, which has its tagged form: makes its delta, if that is smaller. */
  next(frame: Frame): void {
    if (this.#listeners.size === 0) return;
    const base = this.#base;
    this.#base = frame;
    if (base === undefined || frame.tagged === undefined || base.place?.epoch !== frame.place?.epoch) return;
    if (!isFit(base) || !isFit(frame)) return;
    if (this.#pause > 0) this.#pause--;
    else frame.delta = this.#deltaOf(base, frame, frame.tagged);
  }

  #deltaOf(base: Frame, frame: Frame, whole: Frame): Frame | undefined {
    const { place = {} } = frame;
    const since = performance.now();
    const line = deltaLine(this.#topic, place, base.place?.offset ?? 0, !frame.binary);
    const delta = Frame.control(line, Frame.of(this.#make(base.bytes, frame.bytes)));
    const gains = delta.messageBytes < whole.messageBytes;
    const isWorthIt = gains && performance.now() - since <= MAX_MS;
    this.#lastPause = isWorthIt ? 0 : Math.min(2 * this.#lastPause + 1, MAX_PAUSE);
    this.#pause = this.#lastPause;
    if (!gains) return undefined;
    delta.compress = whole.compress;
    delta.whole = whole;
    return delta;
  }
}

/** How the bytes of a message differ from those of the one before, in the format of Fossil. */
export type MakeDelta = (base: Uint8Array, bytes: Uint8Array) => Uint8Array;

/** Longer messages go out whole: a delta of them takes too long. */
const MAX_BYTES = 32_768;
/** A delta of a shorter message is hardly smaller. */
const MIN_BYTES = 64;
/** After a delta that took longer the next ones are not tried, or a client could keep the node busy with messages made for that. */
const MAX_MS = 10;
/** After messages that have little in common with the one before them, at most so many are not tried. */
const MAX_PAUSE = 63;

function isFit({ messageBytes }: Frame): boolean {
  return messageBytes >= MIN_BYTES && messageBytes <= MAX_BYTES;
}
