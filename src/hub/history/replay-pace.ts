import { afterTick } from "../../base/tick.ts";

/**
 * The pace at which replayed messages go to clients, over all of a node's: so many bytes in one turn of the event loop, and so many that were
 * not taken by sockets yet. Clients that ask first go first.
 *
 * Runtimes and machines differ in how long they take to write the same bytes: if a turn takes too long the next has fewer.
 */
export class ReplayPace {
  readonly #maxBytes: number;
  /** Bytes that were granted and not given back. */
  #out = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #scheduled = false;
  #turnBytes = MIN_TURN_BYTES;
  /** When the turn before began, if clients have waited since. */
  #turnAtMs: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Settles when so many bytes may be sent, which must be given back later. */
  take(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, go: resolve });
    this.#schedule();
    return promise;
  }

  give(bytes: number): void {
    this.#out -= bytes;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#isFull(this.#waiting[0]?.bytes ?? 0)) return;
    this.#scheduled = true;
    afterTick(() => this.#grant());
  }

  #grant(): void {
    this.#scheduled = false;
    this.#adapt();
    let granted = 0;
    let next = 0;
    for (; next < this.#waiting.length && granted < this.#turnBytes; next++) {
      const { bytes = 0, go } = this.#waiting[next] ?? {};
      if (this.#isFull(bytes)) break;
      this.#out += bytes;
      granted += bytes + CLIENT_BYTES;
      go?.();
    }
    this.#waiting.splice(0, next);
    if (this.#waiting.length === 0) this.#turnAtMs = undefined;
    this.#schedule();
  }

  /** The bytes of this turn, by how long the one before took. */
  #adapt(): void {
    const nowMs = performance.now();
    const tookMs = nowMs - (this.#turnAtMs ?? nowMs);
    this.#turnAtMs = nowMs;
    if (tookMs > 2 * TURN_MS) this.#turnBytes = Math.max(MIN_TURN_BYTES, this.#turnBytes / 2);
    else if (tookMs < TURN_MS) this.#turnBytes = Math.min(MAX_TURN_BYTES, this.#turnBytes + MIN_TURN_BYTES);
  }

  /** One that asks for more than there is gets it alone. */
  #isFull(bytes: number): boolean {
    return this.#out > 0 && this.#out + bytes > this.#maxBytes;
  }
}

/** Bytes that go out in one turn, and how few they become on a slow runtime or a busy machine. */
const MAX_TURN_BYTES = 524_288;
const MIN_TURN_BYTES = 65_536;
/** Milliseconds that a turn may take. */
const TURN_MS = 8;
/** The cost of one more client, in bytes. */
const CLIENT_BYTES = 4_096;
