import { utf8Bytes } from "../base/check/check.ts";

/** Messages, and other things to do, that came while a handler was running: first in, first out, with their size known. */
export class Backlog<Other extends Sized = never> {
  #messages: (string | Uint8Array | Other)[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#messages.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(message: string | Uint8Array | Other): void {
    this.#messages.push(message);
    this.#bytes += sizeOf(message);
  }

  /** The oldest message. Throws a RangeError if the backlog is empty. */
  shift(): string | Uint8Array | Other {
    const message = this.#messages[this.#head];
    if (message === undefined) throw new RangeError("the backlog is empty");
    // Shifting an array costs its length; a moving head is compacted now and then.
    this.#messages[this.#head++] = "";
    if (this.#head > 64 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    this.#bytes -= sizeOf(message);
    return message;
  }
}

/** Another thing that waits, with the bytes that it holds. */
interface Sized {
  readonly bytes: number;
}

function sizeOf(message: string | Uint8Array | Sized): number {
  if (typeof message === "string") return utf8Bytes(message);
  return message instanceof Uint8Array ? message.byteLength : message.bytes;
}
