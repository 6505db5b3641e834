import { MeshError } from "../base/error.ts";
import { type Answer, type Reply, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
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

  /** Waits for the reply to a request that carries the returned key, until the deadline. Call its `end` in any case. */
  expect(deadlineMs: number): ExpectedReply {
    const expected = new ExpectedReply(++this.#lastKey, deadlineMs, this.#waiting);
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

  constructor(key: bigint, deadlineMs: number, waiting: Map<bigint, ExpectedReply>) {
    this.key = key;
    this.reply = this.#ends.promise;
    // The reply is not looked at until the owner has answered.
    this.reply.catch(() => {});
    this.#timer = setTimeout(() => this.fail(noReplyInTime()), Math.max(0, deadlineMs - performance.now()));
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
type Outcome = Pick<Reply, "status" | "data" | "binary">;

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
      // The owner waits for as long as the caller: which of the two gives up first is chance.
      throw performance.now() < deadlineMs - OWNER_AHEAD_MS ? leftBeforeReply() : noReplyInTime();
    default:
      throw new MeshError("internal", "could not understand the owner's answer to a request");
  }
}
