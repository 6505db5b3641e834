import { MeshError } from "../base/error.ts";
import type { Frame } from "../send/frame.ts";
import { type Answer, type Reply, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Reach } from "./remote.ts";
import { leftBeforeReply, noReplyInTime, notAskable } from "../client/requests.ts";

/** Timers of two nodes that were set for the same moment may be as far apart. */
const OWNER_AHEAD_MS = 10;

type Outcome = Pick<Reply, "status" | "data" | "binary">;

/** The requests of this node to clients of others, until their replies come. */
export class RequestTable {
  readonly #reach: Reach;
  readonly #waiting = new Map<bigint, PromiseWithResolvers<Outcome>>();
  #lastKey = 0n;

  /** When `stopped` is aborted no reply can come any more. */
  constructor(reach: Reach, stopped: AbortSignal) {
    this.#reach = reach;
    stopped.addEventListener("abort", () => {
      const error = new MeshError("unknown", "the hub was closed before the reply came");
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  /** Asks a client of another node. The errors are those of `Sender.request`. */
  async ask(id: string, frame: Frame, deadlineMs: number): Promise<string | Uint8Array> {
    const key = ++this.#lastKey;
    const replied = Promise.withResolvers<Outcome>();
    this.#waiting.set(key, replied);
    const timer = setTimeout(
      () => replied.reject(noReplyInTime()),
      Math.max(0, deadlineMs - performance.now()),
    );
    // Until the owner has answered nobody looks at the reply.
    replied.promise.catch(() => {});
    try {
      const answer = await this.#reach.request(id, frame, key, deadlineMs);
      return replyOf(answer.status === Status.OK ? await replied.promise : answer, deadlineMs);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
    }
  }

  /** A reply came from the owner; one that nobody waits for any more is dropped. */
  replied(reply: Reply): void {
    this.#waiting.get(reply.key)?.resolve(reply);
  }
}

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
      throw new MeshError("internal", "the owner gave no answer that can be understood");
  }
}
