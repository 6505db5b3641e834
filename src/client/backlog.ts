import { utf8Bytes } from "../base/check.ts";

/** Messages that arrived while a handler was running: first in, first out, with their size known. */
export class Backlog {
  #messages: (string | Uint8Array)[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#messages.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(message: string | Uint8Array): void {
    this.#messages.push(message);
    this.#bytes += sizeOf(message);
  }

  /** The oldest message. Throws a RangeError if the backlog is empty. */
  shift(): string | Uint8Array {
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

function sizeOf(message: string | Uint8Array): number {
  return typeof message === "string" ? utf8Bytes(message) : message.byteLength;
}
