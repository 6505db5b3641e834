import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { giveTo, listenTo, type StreamOwner } from "./stream-owner.ts";

const MAX_EARLY_BYTES = 65_536;
const NOTHING = Buffer.alloc(0);

/**
 * The stream of an upgrade that is being decided.
 *
 * It is read meanwhile, because only a stream that is read shows that its peer gave up.
 */
export class PendingUpgrade implements StreamOwner {
  readonly stream: Duplex;
  readonly #gaveUp = new AbortController();
  #early: Buffer;

  constructor(stream: Duplex, head: Buffer) {
    this.stream = stream;
    this.#early = head;
    listenTo(stream, this);
  }

  /** Aborted when the peer gave up. */
  get signal(): AbortSignal {
    return this.#gaveUp.signal;
  }

  /** Lets go of the stream, for another owner; returns the bytes that came meanwhile. */
  release(): Buffer {
    giveTo(this.stream, undefined);
    const early = this.#early;
    this.#early = NOTHING;
    return early;
  }

  read(chunk: Buffer): void {
    this.#early = this.#early.byteLength === 0 ? chunk : Buffer.concat([this.#early, chunk]);
    // A client has nothing to say before the 101.
    if (this.#early.byteLength > MAX_EARLY_BYTES) this.stream.destroy();
  }

  lost(): void {
    this.#gaveUp.abort();
    this.stream.destroy();
  }

  closed(): void {
    this.lost();
  }
}
