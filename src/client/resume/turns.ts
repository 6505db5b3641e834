import { afterTick, unref } from "../../base/tick.ts";

/**
 * Calls of which a few run in each turn of the event loop, in their order. So thousands of clients that ask for the same at once, as they do
 * after a lost network, hold nothing else up.
 */
export class Turns {
  #left = CALLS_PER_TURN;
  readonly #waiting: (() => void)[] = [];

  /** Settles when the call may run; undefined if it may at once. */
  take(): Promise<void> | undefined {
    if (this.#left === CALLS_PER_TURN) afterTick(() => this.#next());
    if (this.#left === 0) return new Promise((resolve) => void this.#waiting.push(resolve));
    this.#left--;
    return undefined;
  }

  #next(): void {
    const ready = this.#waiting.splice(0, CALLS_PER_TURN);
    this.#left = CALLS_PER_TURN - ready.length;
    for (const go of ready) go();
    if (ready.length > 0) afterTick(() => this.#next());
  }
}

/** A few milliseconds of the node. */
const CALLS_PER_TURN = 128;

/**
 * Acknowledges to clients within a second, with two timers for all of a node.
 *
 * An acknowledgement waits for a message to the client, and goes with it: a write for it alone costs as much as one for a message.
 */
export class Acks {
  readonly #turns = new Turns();
  #due = new Set<Acknowledging>();
  #timer: unknown;

  /** Has it acknowledge within {@link ACK_MS}. */
  soon(one: Acknowledging): void {
    this.#due.add(one);
    if (this.#timer === undefined) this.#timer = after(ACK_MS - WAIT_MS, () => this.#run());
  }

  #run(): void {
    const due = this.#due;
    this.#due = new Set();
    this.#timer = undefined;
    for (const one of due) one.ackDue = true;
    after(WAIT_MS, () => void this.#write(due));
  }

  async #write(due: ReadonlySet<Acknowledging>): Promise<void> {
    for (const one of due) {
      if (!one.ackDue) continue;
      await this.#turns.take();
      if (one.ackDue) one.acknowledge();
    }
  }
}

function after(ms: number, run: () => void): unknown {
  const timer = setTimeout(run, ms);
  unref(timer);
  return timer;
}

/** Received messages are acknowledged after so many milliseconds at the latest. */
const ACK_MS = 1_000;
/** How many of them the acknowledgement waits for a message. */
const WAIT_MS = 250;

/** A client's messages that are to be acknowledged. */
export interface Acknowledging {
  /** The acknowledgement goes with the next message. */
  ackDue: boolean;
  acknowledge(): void;
}
