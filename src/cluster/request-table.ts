import { MeshError } from "../base/error.ts";
import { type Answer, type Reply, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
import {
  movedBeforeConfirmed,
  notConfirmable,
  notConfirmedInTime,
  tooManyConfirmations,
} from "../client/resume/confirmations.ts";
import { leftBeforeReply, noReplyInTime, notAskable } from "../client/requests.ts";

/** The requests of this node to clients of others, until their replies come. */
export class RequestTable {
  readonly #waiting = new Map<bigint, ExpectedReply>();
  #lastKey = 0n;

  /** When `stopped` is aborted no reply can come any more. */
  constructor(stopped: AbortSignal) {
    stopped.addEventListener("abort", () => {
      const error = new MeshError("unknown", "the hub was closed before the reply came");
      for (const expected of this.#waiting.values()) expected.fail(error);
    });
  }

  /**
   * Waits for the reply to a request that carries the returned key, until the deadline, at which it rejects with what `late`
   * returns. Call its `end` in any case.
   */
  expect(deadlineMs: number, late: () => MeshError): ExpectedReply {
    const expected = new ExpectedReply(++this.#lastKey, deadlineMs, late, this.#waiting);
    this.#waiting.set(expected.key, expected);
    return expected;
  }

  /** A reply came from the owner. It is dropped if its request has ended. */
  replied(reply: Reply): void {
    this.#waiting.get(reply.key)?.take(reply);
  }
}

/** A reply that is to come as an item of its own. */
export class ExpectedReply {
  readonly key: bigint;
  /** Rejects if the reply does not come in time. */
  readonly reply: Promise<Outcome>;
  readonly #ends: PromiseWithResolvers<Outcome> = Promise.withResolvers<Outcome>();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #waiting: Map<bigint, ExpectedReply>;

  constructor(key: bigint, deadlineMs: number, late: () => MeshError, waiting: Map<bigint, ExpectedReply>) {
    this.key = key;
    this.reply = this.#ends.promise;
    // The reply is not looked at until the owner has answered.
    this.reply.catch(() => {});
    this.#timer = setTimeout(() => this.fail(late()), Math.max(0, deadlineMs - performance.now()));
    this.#waiting = waiting;
  }

  take(outcome: Outcome): void {
    this.#ends.resolve(outcome);
  }

  fail(error: MeshError): void {
    this.#ends.reject(error);
  }

  /** The request has ended. */
  end(): void {
    clearTimeout(this.#timer);
    this.#waiting.delete(this.key);
  }
}

/** How a request ended at the owner. */
export type Outcome = Pick<Reply, "status" | "data" | "binary">;

/** Timers of two nodes that were set for the same moment may be as far apart. */
const OWNER_AHEAD_MS = 10;

/** The reply in an outcome; throws what it says went wrong. */
export function replyOf({ status, data, binary }: Outcome | Answer, deadlineMs: number): string | Uint8Array {
  switch (status) {
    case Status.OK:
      return binary ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
    case Status.FULL:
      throw new MeshError("resource_exhausted", "the client's buffer is full, or too many requests wait for it");
    case Status.NO_REQUESTS:
      throw notAskable();
    case Status.NO_REPLY:
      throw isBefore(deadlineMs) ? leftBeforeReply() : noReplyInTime();
    default:
      throw new MeshError("internal", "could not understand the owner's answer to a request");
  }
}

/** Whether the client acknowledged a message, by its outcome; throws what that says went wrong. */
export function isConfirmed({ status }: Outcome | Answer, deadlineMs: number): boolean {
  switch (status) {
    case Status.OK:
      return true;
    case Status.FULL:
      return false;
    case Status.FAILED:
      throw tooManyConfirmations();
    case Status.NO_REQUESTS:
      throw notConfirmable();
    case Status.NO_REPLY:
      throw isBefore(deadlineMs) ? movedBeforeConfirmed() : notConfirmedInTime();
    default:
      throw new MeshError("internal", "could not understand the owner's answer to a message to confirm");
  }
}

/** The owner waits for as long as the caller: which of the two gives up first is chance. */
function isBefore(deadlineMs: number): boolean {
  return performance.now() < deadlineMs - OWNER_AHEAD_MS;
}
