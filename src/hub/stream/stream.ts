import { checkMs, checkOptions, checkSignal, type OptionTable } from "../../base/check/check.ts";
import { MeshError } from "../../base/error.ts";
import { Frame, type Message } from "../../send/frame.ts";
import { MAX_ENTRY_HEAD_BYTES, type StreamState } from "../../wire/stream.ts";
import type { Producer } from "./producer.ts";
import type { Streams } from "./streams.ts";

/**
 * A stream on a topic with history, such as the answer of a model: any number of readers, on any node, joining late.
 *
 * It begins with the first `append`, and is read by `read`, or by `ws.stream(topic)` of `meshsocket/client`: each reader gets all of it. The
 * text of several parts may come as one. A reader that leaves stops nothing; `stop` does. If its producer dies the stream fails for all
 * readers: at most a lease and a second later. Use a topic for each stream: one that begins while another goes on ends that.
 *
 * ```ts
 * import { Hub } from "meshsocket";
 *
 * const hub = new Hub({ topics: [{ match: "answer:*", history: { messages: 10_000 } }] });
 * const answer = hub.stream("answer:42");
 * for (const token of ["Hel", "lo"]) await answer.append(token);
 * await answer.end();
 * ```
 */
export class Stream {
  readonly topic: string;
  readonly #options: StreamOptions;
  readonly #load: () => Promise<Streams>;
  readonly #maxMessageBytes: number;
  readonly #stopped = new AbortController();
  #producer: Promise<Producer> | undefined;

  /** @internal */
  constructor(topic: string, options: StreamOptions, maxMessageBytes: number, load: () => Promise<Streams>) {
    checkOptions<StreamOptions>("options", options, STREAM_OPTIONS);
    this.topic = topic;
    this.#options = options;
    this.#maxMessageBytes = maxMessageBytes;
    this.#load = load;
  }

  /** Aborted when a reader stops the stream (`canceled`), and when it cannot go on. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /**
   * Adds a part, text or bytes. Settles when it is kept and was sent to the readers; those that are appended without waiting leave together.
   *
   * Rejects with `failed_precondition` once the stream ended, with `unavailable` if the history cannot be written, after which the stream has
   * failed, and with a TypeError (`invalid_argument`) for anything that is not a message.
   */
  append(part: Message): Promise<void> {
    return this.#produce((producer) => {
      const { payload, messageBytes } = Frame.of(part);
      const maxBytes = this.#maxMessageBytes - MAX_ENTRY_HEAD_BYTES;
      if (messageBytes <= maxBytes) return producer.append(payload);
      throw new MeshError("resource_exhausted", `a part has at most ${maxBytes} bytes`);
    });
  }

  /** Ends the stream. Rejects if it had failed. */
  end(): Promise<void> {
    return this.#produce((producer) => producer.end());
  }

  /** Fails the stream: readers get the code and message of a MeshError, and of any other error only that it is `internal`. */
  fail(error: unknown): Promise<void> {
    const known = error instanceof MeshError ? error : new MeshError("internal", "the producer failed");
    return this.#produce((producer) => producer.fail(known));
  }

  /** Asks the producer to stop, on whatever node it is: its `stopped` is aborted. It decides what comes of that. */
  stop(): Promise<void> {
    return handled(this.#load().then((streams) => streams.stop(this.topic, {})));
  }

  /** Whether a stream goes on. */
  state(): Promise<StreamState> {
    return handled(this.#load().then((streams) => streams.look(this.topic)));
  }

  /**
   * The parts: what came so far as one, then each. It waits for a stream that has not begun, and throws the MeshError of one that failed.
   * Throws `not_found` if the history has lost the beginning.
   */
  async *read(options: ReadOptions = {}): AsyncGenerator<string | Uint8Array, undefined> {
    checkOptions<ReadOptions>("options", options, READ_OPTIONS);
    const streams = await this.#load();
    yield* streams.read(this.topic, options.signal);
    return undefined;
  }

  #produce(call: (producer: Producer) => Promise<void>): Promise<void> {
    const { idleMs = DEFAULT_IDLE_MS } = this.#options;
    const stop = (reason: MeshError): void => this.#stopped.abort(reason);
    const over = (error: MeshError | undefined): void => error && stop(error);
    this.#producer ??= this.#load().then((streams) => streams.produce(this.topic, { idleMs, stop, over }));
    return handled(this.#producer.then(call));
  }
}

/** How a stream is produced. */
export interface StreamOptions {
  /** The stream fails with `deadline_exceeded` if nothing is appended for so long. Default 300,000: five minutes. */
  idleMs?: number;
}

/** How a stream is read. */
export interface ReadOptions {
  /** Ends the reading, with its reason. */
  signal?: AbortSignal | undefined;
}

export type { StreamState };

const DEFAULT_IDLE_MS = 300_000;
const STREAM_OPTIONS: OptionTable<StreamOptions> = { idleMs: (name, value) => checkMs(name, value, 1) };
const READ_OPTIONS: OptionTable<ReadOptions> = { signal: checkSignal };

/** A rejection that nobody handles does not end the process. */
function handled<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => {});
  return promise;
}
