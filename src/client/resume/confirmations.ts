import { MeshError } from "../../base/error.ts";
import { V1_PROTOCOL } from "../../wire/v1.ts";

/** The messages to one client whose senders wait for it to acknowledge them. They survive a resume. */
export class Confirmations {
  readonly #max: number;
  /** By the number of the message, in that order. */
  #waiting = new Map<number, Waiting>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Sends a message by `send`, which returns its number or undefined if the client does not take it. Resolves with
   * whether the client acknowledged it; rejects with `resource_exhausted` if too many wait, and with `deadline_exceeded`.
   */
  expect(timeoutMs: number, send: () => number | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= this.#max) {
        reject(tooManyConfirmations(this.#max));
        return;
      }
      const number = send();
      if (number === undefined) {
        resolve(false);
        return;
      }
      const waiting: Waiting = { number, resolve, reject, timer: setTimeout(() => this.#late(waiting), timeoutMs) };
      this.#waiting.set(number, waiting);
    });
  }

  /** The client has the first `count` messages. */
  acknowledged(count: number): void {
    for (const [number, { resolve, timer }] of this.#waiting) {
      if (number > count) return;
      this.#waiting.delete(number);
      clearTimeout(timer);
      resolve(true);
    }
  }

  /** All messages have a number that is larger by so much: others from another node come before them. */
  shift(by: number): void {
    const waiting = [...this.#waiting.values()];
    for (const each of waiting) each.number += by;
    this.#waiting = new Map(waiting.map((each) => [each.number, each]));
  }

  /** The client left: what it did not acknowledge it never will. */
  end(moved: boolean): void {
    for (const { resolve, reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      if (moved) reject(movedBeforeConfirmed());
      else resolve(false);
    }
    this.#waiting.clear();
  }

  #late({ number, reject }: Waiting): void {
    this.#waiting.delete(number);
    reject(notConfirmedInTime());
  }
}

interface Waiting {
  number: number;
  readonly resolve: (acknowledged: boolean) => void;
  readonly reject: (error: MeshError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** The error of one more message to a client that has so many to acknowledge. */
export function tooManyConfirmations(max?: number): MeshError {
  const most = max === undefined ? "limits.maxRequestsPerClient" : String(max);
  return new MeshError("resource_exhausted", `could not confirm: ${most} messages to the client wait for that already`);
}

/** The error of a message that is to be confirmed by a client that cannot. */
export function notConfirmable(): MeshError {
  const why = `the client does not speak the subprotocol ${V1_PROTOCOL}`;
  return new MeshError("failed_precondition", `could not confirm: ${why}; nothing was sent, emit without confirm`);
}

/** The error of a message that was not acknowledged before its deadline: the client may have it, or may get it yet. */
export function notConfirmedInTime(): MeshError {
  return new MeshError("deadline_exceeded", "the client did not acknowledge the message in time");
}

/** The error of a message whose client went on on another node: it may have it, or may get it there. */
export function movedBeforeConfirmed(): MeshError {
  return new MeshError("unknown", "the client moved to another node before it acknowledged the message");
}
