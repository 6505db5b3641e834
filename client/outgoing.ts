import { isReserved, type Payload, prefixed } from "../src/wire/v1.ts";

/** One message on its way to the server. */
export interface Outgoing {
  /** The frame's content; undefined while a Blob is being read. */
  data: Payload | undefined;
  readonly bytes: number;
  /** The message as the application sent it; undefined for a control line. */
  readonly message: Payload | undefined;
  /** Called when the server has it. */
  readonly done: (() => void) | undefined;
}

/** Messages that are to be sent, and those that were sent and not acknowledged, in order. */
export class Outbox {
  bytes = 0;
  readonly #items: Outgoing[] = [];
  /** How many of the items were written to the present connection. */
  #written = 0;
  /** How many messages were acknowledged, of all there ever were. */
  #acked = 0;

  /** Bytes that were not written yet. */
  get unsent(): number {
    return this.#items.slice(this.#written).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  push(item: Outgoing): void {
    this.#items.push(item);
    this.bytes += item.bytes;
  }

  /** Writes what can be written. Without `v1` nothing is acknowledged: written messages are done, and control lines are dropped. */
  write(send: (data: Payload) => void, v1: boolean): void {
    for (let item = this.#items[this.#written]; item?.data !== undefined; item = this.#items[this.#written]) {
      const { data, message } = item;
      if (v1 || message !== undefined) {
        send(v1 && message !== undefined && isReserved(data) ? prefixed("~", data) : data);
      }
      this.#written++;
      if (!v1) this.ack(this.#acked + 1);
    }
  }

  /** The server has so many messages. False if so many were never written. */
  ack(count: number): boolean {
    const acknowledged = count - this.#acked;
    if (acknowledged > this.#written) return false;
    if (acknowledged <= 0) return true;
    this.#acked = count;
    this.#written -= acknowledged;
    for (const { bytes, done } of this.#items.splice(0, acknowledged)) {
      this.bytes -= bytes;
      done?.();
    }
    return true;
  }

  /**
   * Goes on over a new connection: the server has `received` messages, of which it handled some, and the rest is written again.
   * False if the numbers cannot be right.
   */
  resume(received: number, handled: number): boolean {
    if (handled > received || received < this.#acked || received - this.#acked > this.#written) return false;
    this.ack(handled);
    this.#written = received - this.#acked;
    return true;
  }

  /** Begins again with a new client. Returns the messages that were not acknowledged, if `all`, and forgets them. */
  restart(all: boolean): Outgoing[] {
    this.#acked = 0;
    this.#written = 0;
    if (!all) return [];
    this.bytes = 0;
    return this.#items.splice(0);
  }
}
