import type { Duplex } from "node:stream";

const MAX_EARLY_BYTES = 65_536;

/**
 * The net socket of an upgrade that is being decided.
 *
 * It is read meanwhile, because only a socket that is read shows that its peer gave up.
 */
export class PendingUpgrade {
  readonly stream: Duplex;
  readonly #gaveUp = new AbortController();
  readonly #early: Uint8Array[];
  #earlyBytes = 0;

  constructor(stream: Duplex, head: Uint8Array) {
    this.stream = stream;
    this.#early = [head];
    stream.on("data", this.#onData);
    stream.once("end", this.#onGone);
    stream.once("close", this.#onGone);
  }

  /** Aborted when the peer gave up. */
  get signal(): AbortSignal {
    return this.#gaveUp.signal;
  }

  /** Stops reading, so that someone else can; returns what was read. */
  release(): Buffer {
    this.stream.off("data", this.#onData);
    this.stream.off("end", this.#onGone);
    this.stream.off("close", this.#onGone);
    return Buffer.concat(this.#early);
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.byteLength;
    // A client has nothing to say before the 101.
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.stream.destroy();
  };

  readonly #onGone = (): void => {
    this.#gaveUp.abort();
    this.stream.destroy();
  };
}
