import { MeshError } from "../base/error.ts";
import type { Frame } from "../send/frame.ts";

/**
 * The subprotocol of clients that can be asked: a session chooses it as its `protocol` when the client offers it.
 *
 * A request reaches the client as an ordinary message whose first line is `request:<number>`; the client replies with a
 * message of the same kind (text or binary) whose first line is `reply:<number>`. What follows the line feed is the
 * payload; number 0 is a ping, which asks nothing but a reply. Replies are not seen by `onEvent`. A client that never offers
 * the subprotocol never sees any of it.
 */
export const REQUEST_PROTOCOL = "meshsocket.request.v1";

const REQUEST = "request:";
const REPLY = "reply:";
const REPLY_BYTES: readonly number[] = Array.from(REPLY, (char) => char.charCodeAt(0));
const LINE_FEED = 10;
/** A reply's first line: "reply:" and at most ten digits. */
const MAX_LINE_CHARS = REPLY.length + 10;
const decoder = new TextDecoder();

interface Waiting {
  readonly resolve: (reply: string | Uint8Array) => void;
  readonly reject: (error: MeshError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** The requests that one client has not replied to yet. */
export class Requests {
  readonly #max: number;
  readonly #waiting = new Map<number, Waiting>();
  #lastNumber = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Sends a request by `send` and waits for its reply. Rejects with `resource_exhausted` when too many wait or `send`
   * says that the client's buffer is full, `deadline_exceeded` when no reply came in time, and `unknown` when the client left.
   */
  ask(payload: Frame, timeoutMs: number, send: (frame: Frame) => boolean): Promise<string | Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= this.#max) {
        reject(new MeshError("resource_exhausted", `a client has at most ${this.#max} requests to reply to`));
        return;
      }
      const number = ++this.#lastNumber;
      if (!send(payload.after(`${REQUEST}${number}\n`))) {
        reject(new MeshError("resource_exhausted", "the client's buffer is full"));
        return;
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(number);
        reject(noReplyInTime());
      }, timeoutMs);
      this.#waiting.set(number, { resolve, reject, timer });
    });
  }

  /** Takes a message if it is a reply; one that nobody waits for any more is taken, too. */
  take(message: string | Uint8Array): boolean {
    const line = firstLine(message);
    if (line === undefined) return false;
    const waiting = this.#waiting.get(Number(line.slice(REPLY.length)));
    if (!waiting) return true;
    clearTimeout(waiting.timer);
    this.#waiting.delete(Number(line.slice(REPLY.length)));
    waiting.resolve(typeof message === "string" ? message.slice(line.length + 1) : message.subarray(line.length + 1));
    return true;
  }

  /** The client left: nobody will reply. */
  end(): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(leftBeforeReply());
    }
    this.#waiting.clear();
  }
}

/** The error of a request to an id that nobody has. */
export function nobodyHasIt(): MeshError {
  return new MeshError("not_found", "nobody has the id");
}

/** The error of a request to a client that cannot be asked. */
export function notAskable(): MeshError {
  return new MeshError("failed_precondition", `the client does not speak the subprotocol ${REQUEST_PROTOCOL}`);
}

/** The error of a request that got no reply before its deadline. */
export function noReplyInTime(): MeshError {
  return new MeshError("deadline_exceeded", "the client did not reply in time");
}

/** The error of a request whose client is gone: it may have got it. */
export function leftBeforeReply(): MeshError {
  return new MeshError("unknown", "the client left before it replied");
}

/** The first line of a reply; undefined for any other message. */
function firstLine(message: string | Uint8Array): string | undefined {
  if (typeof message === "string" ? !message.startsWith(REPLY) : REPLY_BYTES.some((byte, at) => message[at] !== byte)) {
    return undefined;
  }
  const start = typeof message === "string" ? message.slice(0, MAX_LINE_CHARS + 1) : decoder.decode(
    message.subarray(0, MAX_LINE_CHARS + 1),
  );
  const end = start.indexOf(String.fromCharCode(LINE_FEED));
  return end >= 0 && /^reply:[0-9]+$/.test(start.slice(0, end)) ? start.slice(0, end) : undefined;
}
