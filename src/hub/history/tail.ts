import type { Frame } from "../../send/frame.ts";
import type { Position } from "../../send/position.ts";

/** The last live messages of a topic, without a hole: kept while clients join, so that they find where to go on. */
export class Tail {
  #users = 0;
  #epoch = "";
  /** The offset before the first message. */
  #after = 0;
  #frames: Frame[] = [];
  #bytes = 0;

  /** Keeps messages from now on; returns the function that ends it. */
  use(): () => void {
    this.#users++;
    return () => {
      if (--this.#users === 0) this.#clear();
    };
  }

  /** The next message comes after this place. */
  begin({ epoch, offset }: Position): void {
    this.#clear();
    this.#epoch = epoch;
    this.#after = offset;
  }

  /** The next message. */
  add(frame: Frame): void {
    if (this.#users === 0) {
      const { epoch, offset } = frame.place ?? NOWHERE;
      this.#epoch = epoch;
      this.#after = offset;
      return;
    }
    // The outcome of the live message is that of its listeners, without those that join.
    this.#frames.push(frame.twin());
    this.#bytes += frame.byteLength;
    while (this.#frames.length > MAX_MESSAGES || this.#bytes > MAX_BYTES) this.#drop();
  }

  /** The messages after a place; undefined if some of them are not kept. */
  since({ epoch, offset }: Position): readonly Frame[] | undefined {
    if (epoch !== this.#epoch || offset < this.#after || offset > this.#after + this.#frames.length) return undefined;
    return this.#frames.slice(offset - this.#after);
  }

  #drop(): void {
    this.#after++;
    this.#bytes -= this.#frames.shift()?.byteLength ?? 0;
  }

  #clear(): void {
    this.#after += this.#frames.length;
    this.#frames = [];
    this.#bytes = 0;
  }
}

const NOWHERE: Position = { epoch: "", offset: 0 };

/** Over these the oldest are dropped, and a client that needs them reads them from the store. */
const MAX_MESSAGES = 1_024;
const MAX_BYTES = 1_048_576;
