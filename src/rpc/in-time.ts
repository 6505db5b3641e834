import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";

/** The time for the message of a call without a deadline. */
const MESSAGE_TIMEOUT_MS = 30_000;
/** Longer than this a timer of the platform does not wait. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * The handler, with an end to the wait for its caller's message: the caller's deadline, or 30 s if it set none.
 *
 * Connect tells the service of a deadline, but goes on reading a message that never comes. The call then holds its stream
 * for as long as the caller likes. A caller that streams its messages may take its time, unless it set a deadline.
 */
export function inTime(handler: UniversalHandler): UniversalHandler {
  const streams = handler.method.methodKind === "client_streaming" || handler.method.methodKind === "bidi_streaming";
  const answer: UniversalHandlerFn = (request) => {
    const timeoutMs = callersTimeoutMs(request.header) ?? (streams ? undefined : MESSAGE_TIMEOUT_MS);
    const { body, signal } = request;
    if (timeoutMs === undefined || !isStream(body)) return handler(request);
    return handler({ ...request, body: new TimedBody(body, Math.min(timeoutMs, MAX_TIMER_MS), signal) });
  };
  return Object.assign(answer, { ...handler });
}

/** The chunks of a body. They break off once the time is over, or the caller is gone. */
class TimedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#end(new ConnectError("the caller is gone", Code.Canceled));
  /** Runs from the first read on. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: ConnectError | undefined;
  /** Rejects the read that is under way. */
  #fail: ((error: ConnectError) => void) | undefined;

  constructor(body: AsyncIterable<Uint8Array>, timeoutMs: number, signal: AbortSignal) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#timer) this.#start();
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#chunks.next().then((chunk) => {
        if (chunk.done === true) this.#stop();
        resolve(chunk);
      }, (error: unknown) => {
        this.#stop();
        reject(error);
      });
    });
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stop();
    // Not awaited: the source may be waiting for a chunk that never comes.
    void this.#chunks.return?.().catch(() => {});
    return { done: true, value: undefined };
  }

  #start(): void {
    const late = (): void => this.#end(new ConnectError("the message did not arrive in time", Code.DeadlineExceeded));
    this.#timer = setTimeout(late, this.#timeoutMs);
    // A request that was reset before it was read gives no chunk and no end.
    if (this.#signal.aborted) this.#onAbort();
    else this.#signal.addEventListener("abort", this.#onAbort);
  }

  #end(error: ConnectError): void {
    this.#ended = error;
    this.#stop();
    this.#fail?.(error);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

function callersTimeoutMs(header: Headers): number | undefined {
  const grpc = parseGrpcTimeout(header.get("grpc-timeout"), Infinity).timeoutMs;
  return grpc ?? parseConnectTimeout(header.get("connect-timeout-ms"), Infinity).timeoutMs;
}

function isStream(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
