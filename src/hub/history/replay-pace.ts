import { afterTick } from "../../base/tick.ts";

/**
 * The pace at which replayed messages go to clients, over all of a node's: so many bytes in one tick, and so many that were
 * not taken by sockets yet. Those who ask first go first.
 */
export class ReplayPace {
  readonly #maxBytes: number;
  /** Bytes that were granted and not given back. */
  #out = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #scheduled = false;

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
    let granted = 0;
    let next = 0;
    for (; next < this.#waiting.length && granted < TICK_BYTES; next++) {
      const { bytes = 0, go } = this.#waiting[next] ?? {};
      if (this.#isFull(bytes)) break;
      this.#out += bytes;
      granted += bytes + CLIENT_BYTES;
      go?.();
    }
    this.#waiting.splice(0, next);
    this.#schedule();
  }

  /** One that asks for more than there is gets it alone. */
  #isFull(bytes: number): boolean {
    return this.#out > 0 && this.#out + bytes > this.#maxBytes;
  }
}

/** Bytes that go out in one tick: a few milliseconds of the node. */
const TICK_BYTES = 524_288;
/** The cost of one more client, in bytes. */
const CLIENT_BYTES = 4_096;
