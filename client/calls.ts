import { MeshError, type MeshErrorCode } from "../src/base/error.ts";
import { errorLine, type Payload, prefixed, replyLine } from "../src/wire/v1.ts";

/** Calls to the server and from it. They survive a resume. */
export class Calls {
  readonly #send: (line: Payload) => void;
  readonly #waiting = new Map<number, (reply: unknown) => void>();
  #last = 0;
  /** Counts the clients of which the server lost all but the last: it must not get answers to the calls of an earlier one. */
  #life = 0;

  /** `send` writes a counted control line. */
  constructor(send: (line: Payload) => void) {
    this.#send = send;
  }

  /** Calls the server; `line` is the first line of the call, and `payload` what follows it. */
  request<Reply = Payload>(
    line: (number: number) => string,
    payload: Payload = "",
  ): { readonly reply: Promise<Reply>; readonly giveUp: () => void } {
    const number = ++this.#last;
    this.#send(prefixed(line(number), payload));
    const reply = new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(
        number,
        (settled) => (settled instanceof MeshError ? reject(settled) : resolve(settled as Reply)),
      );
    });
    return { reply, giveUp: () => void this.#waiting.delete(number) };
  }

  /** The server replied; a reply that nothing waits for any more is dropped. */
  settle(number: number, reply: unknown): void {
    this.#waiting.get(number)?.(reply);
    this.#waiting.delete(number);
  }

  /** The server answered with an error. */
  fail(number: number, { code, message }: { readonly code: MeshErrorCode; readonly message: string }): void {
    this.settle(number, new MeshError(code, message));
  }

  /** Answers a call of the server. */
  async answer(number: number, payload: Payload, handler: RequestHandler | null): Promise<void> {
    const life = this.#life;
    const send = (line: Payload): void => {
      if (life === this.#life) this.#send(line);
    };
    try {
      if (!handler) throw new MeshError("unimplemented", "the client answers no requests");
      const reply = toPayload((await handler(payload)) ?? "");
      send(prefixed(replyLine(number), reply));
    } catch (error) {
      const { code, message } = error instanceof MeshError ? error : new MeshError("internal", "the handler failed");
      send(errorLine(number, code, message));
      if (!(error instanceof MeshError)) console.error("meshsocket: onrequest failed", error);
    }
  }

  /** Nothing will be answered any more. */
  end(error: MeshError): void {
    this.#life++;
    for (const number of [...this.#waiting.keys()]) this.settle(number, error);
  }
}

/** How long a call may take. */
export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** Answers a call of the server. Throws a MeshError to answer with its code and message. */
export type RequestHandler = (message: string | Uint8Array) => Sendable | undefined | Promise<Sendable | undefined>;

/** A message that can be sent at once. */
export type Sendable = string | ArrayBuffer | ArrayBufferView;

/** A copy, so that the caller may reuse its buffer. */
export function toPayload(data: Sendable): Payload {
  if (typeof data === "string") return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  if (Object.prototype.toString.call(data) === "[object ArrayBuffer]") return new Uint8Array(data).slice();
  throw new TypeError("a message must be a string, an ArrayBuffer, a view of one, or a Blob");
}
