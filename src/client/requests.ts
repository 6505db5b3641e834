import { errorCode, MeshError, type MeshErrorCode } from "../base/error.ts";
import { Frame } from "../send/frame.ts";
import { requestLine, V1_PROTOCOL } from "../wire/v1.ts";

/** The requests to one client that it has not replied to yet. They survive a resume. */
export class Requests {
  readonly #max: number;
  readonly #waiting = new Map<number, Waiting>();
  #lastNumber: number;

  /** Numbers its requests from `lastNumber` on. */
  constructor(max: number, lastNumber = 0) {
    this.#max = max;
    this.#lastNumber = lastNumber;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  /**
   * Sends a request by `send` and waits for its reply. Rejects with `resource_exhausted` if too many wait or `send`
   * returns that the client's buffer is full, `deadline_exceeded` if no reply came in time, and `unknown` if the client
   * left. An error of the client rejects with its code.
   */
  ask(payload: Frame, timeoutMs: number, send: (frame: Frame) => boolean): Promise<string | Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= this.#max) {
        reject(new MeshError("resource_exhausted", `a client has at most ${this.#max} requests to reply to`));
        return;
      }
      const number = ++this.#lastNumber;
      if (!send(Frame.control(requestLine(number), payload))) {
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

  /** The client replied. A reply that no request waits for any more is dropped. */
  reply(number: number, payload: string | Uint8Array): void {
    this.#take(number)?.resolve(payload);
  }

  /** The client answered with an error. */
  fail(number: number, code: string, message: string): void {
    this.#take(number)?.reject(errorOfClient(code, message));
  }

  /** The client left: nobody will reply. */
  end(): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(leftBeforeReply());
    }
    this.#waiting.clear();
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    clearTimeout(waiting?.timer);
    this.#waiting.delete(number);
    return waiting;
  }
}

interface Waiting {
  readonly resolve: (reply: string | Uint8Array) => void;
  readonly reject: (error: MeshError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Codes that a client may answer a request with. Others would say something about this side. */
const CLIENT_CODES: ReadonlySet<string> = new Set<MeshErrorCode>([
  "invalid_argument",
  "unavailable",
  "canceled",
  "resource_exhausted",
  "not_found",
  "already_exists",
  "failed_precondition",
  "unauthenticated",
  "permission_denied",
  "unimplemented",
]);

function errorOfClient(code: string, message: string): MeshError {
  return new MeshError(CLIENT_CODES.has(code) ? (code as MeshErrorCode) : "unknown", `the client answered: ${message}`);
}

/** Code and message for the client whose request failed: those of an error with a code, and nothing of any other. */
export function errorForClient(error: unknown): { readonly code: MeshErrorCode; readonly message: string } {
  const code = errorCode(error);
  return code === undefined
    ? { code: "internal", message: "internal error" }
    : { code, message: (error as Error).message };
}

/** The error of a request to an id that nobody has. */
export function nobodyHasIt(): MeshError {
  return new MeshError("not_found", "nobody has the id");
}

/** The error of a request to a client that cannot be asked. */
export function notAskable(): MeshError {
  return new MeshError("failed_precondition", `the client does not speak the subprotocol ${V1_PROTOCOL}`);
}

/** The error of a request that got no reply before its deadline. */
export function noReplyInTime(): MeshError {
  return new MeshError("deadline_exceeded", "the client did not reply in time");
}

/** The error of a request whose client is gone: it may have got it. */
export function leftBeforeReply(): MeshError {
  return new MeshError("unknown", "the client left before it replied");
}
