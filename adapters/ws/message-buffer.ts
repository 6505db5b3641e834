import { Buffer } from "node:buffer";
import { unmask } from "./unmask.ts";
import { checkUtf8 } from "./utf8.ts";

const MIN_BYTES = 64;

/**
 * The payload of a message or control frame of which not all bytes have come.
 *
 * It grows with the bytes that came, and never by a length that a header only announces.
 */
export class MessageBuffer {
  readonly binary: boolean;
  /** Whether the bytes are compressed: what they say is known once all have come. */
  readonly deflated: boolean;
  #bytes: Buffer = Buffer.alloc(0);
  #used = 0;
  /** Up to here the text was found to be valid UTF-8. */
  #checked = 0;

  constructor(binary: boolean, deflated = false) {
    this.binary = binary;
    this.deflated = deflated;
  }

  get byteLength(): number {
    return this.#used;
  }

  /** How many bytes it can hold before it grows. */
  get room(): number {
    return this.#bytes.byteLength;
  }

  /**
   * Takes over masked bytes, after which at most `left` more are to come: Infinity if another fragment follows.
   * Returns false if the text cannot become valid UTF-8.
   */
  append(from: Uint8Array, key: number, left: number): boolean {
    const used = this.#used + from.byteLength;
    if (used > this.#bytes.byteLength) this.#grow(used, used + left);
    this.#bytes.set(from, this.#used);
    unmask(this.#bytes, this.#used, used, key);
    this.#used = used;
    if (this.binary || this.deflated) return true;
    const checked = checkUtf8(this.#bytes, this.#checked, used);
    this.#checked = Math.max(0, checked);
    return checked >= 0;
  }

  /** Doubles the room, so that a message of many pieces is not copied for each of them. */
  #grow(least: number, most: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.min(most, Math.max(least, 2 * this.#bytes.byteLength, MIN_BYTES)));
    bytes.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = bytes;
  }

  /** Whether the text ends with a whole character; always true of bytes. */
  get whole(): boolean {
    return this.binary || this.#checked === this.#used;
  }

  /** The message, once all of it is there: text, or bytes that fill their buffer. */
  message(): string | Uint8Array {
    return this.binary ? this.bytes() : this.#bytes.toString("utf8", 0, this.#used);
  }

  /** The bytes, which fill their buffer. */
  bytes(): Uint8Array {
    const { buffer, byteLength } = this.#bytes;
    const bytes = new Uint8Array(buffer, 0, this.#used);
    return byteLength === this.#used ? bytes : bytes.slice();
  }
}
