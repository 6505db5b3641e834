import { unref } from "../../base/tick.ts";

/** Acknowledges to clients within a second, with one timer for all of a node. */
export class Acks {
  #due = new Set<Acknowledging>();
  #timer: unknown;

  /** Has it acknowledge within {@link ACK_MS}. */
  soon(one: Acknowledging): void {
    this.#due.add(one);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#run(), ACK_MS);
    unref(this.#timer);
  }

  #run(): void {
    const due = this.#due;
    this.#due = new Set();
    this.#timer = undefined;
    for (const one of due) one.acknowledge();
  }
}

/** Received messages are acknowledged after so many milliseconds at the latest. */
const ACK_MS = 1_000;

/** A client's messages that are to be acknowledged. */
export interface Acknowledging {
  acknowledge(): void;
}
