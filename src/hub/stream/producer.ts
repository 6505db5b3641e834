import { backoffMs } from "../../base/backoff.ts";
import { errorCode, MeshError } from "../../base/error.ts";
import { randomId } from "../../base/random-id.ts";
import { afterTick } from "../../base/tick.ts";
import { Frame } from "../../send/frame.ts";
import type { Delivery } from "../../send/verbs.ts";
import { headOf, joined, MAX_ENTRY_HEAD_BYTES, partEntry, readEntry } from "../../wire/stream.ts";
import type { Payload } from "../../wire/v1.ts";
import type { Ear } from "../history/ear.ts";
import type { StreamsNode } from "./streams-node.ts";

/**
 * The producer of one run of a stream: publishes its parts, and hears whether a reader stops it.
 *
 * The parts of one tick are one message, and so are those that come while one is being published. A message that could not be published
 * is tried again with the same key, so that it is there once. If that fails the run fails: a reader never misses a part without a sign.
 */
export class Producer implements Ear {
  readonly hearsKept = false;
  readonly run: string = randomId();
  readonly #topic: string;
  readonly #node: StreamsNode;
  readonly #options: ProducerOptions;
  readonly #queue: Waiting[] = [];
  #messages = 0;
  #begun: Promise<() => void> | undefined;
  /** Settles when no part waits; undefined if none does. */
  #busy: Promise<void> | undefined;
  #live = false;
  #over: MeshError | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(topic: string, node: StreamsNode, options: ProducerOptions) {
    this.#topic = topic;
    this.#node = node;
    this.#options = options;
    this.#rest();
  }

  /** Settles when the part is kept and was sent to the readers. */
  append(data: Payload): Promise<void> {
    if (this.#over) return Promise.reject(this.#over);
    this.#rest();
    return new Promise((resolve, reject) => {
      this.#queue.push({ data, resolve, reject });
      this.#busy ??= tick().then(() => this.#publishParts());
    });
  }

  /** Ends the run, after its parts. Rejects if it had failed. */
  async end(): Promise<void> {
    await this.#finish(headOf("end", this.run), new MeshError("failed_precondition", "the stream has ended"));
  }

  /** Fails the run, after its parts: readers get the code and the text. */
  async fail(error: MeshError): Promise<void> {
    await this.#finish(failEntry(this.run, error), error);
  }

  // ---- publishing ----

  async #publishParts(): Promise<void> {
    try {
      await this.#begin();
      while (this.#queue.length > 0) await this.#publishNext();
    } catch (error) {
      this.#break(asMeshError(error));
    } finally {
      this.#busy = undefined;
    }
  }

  async #publishNext(): Promise<void> {
    const waiting = this.#next();
    try {
      await this.#publish(partEntry(this.run, together(waiting)), `${this.run}:${this.#messages++}`, MAX_RETRIES);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
      throw error;
    }
    for (const { resolve } of waiting) resolve();
  }

  /** The parts of the next message: of one kind, and as many as a message may have. */
  #next(): Waiting[] {
    const maxBytes = this.#node.limits.maxMessageBytes - MAX_ENTRY_HEAD_BYTES;
    const kind = typeof this.#queue[0]?.data;
    let bytes = 0;
    const end = this.#queue.findIndex(({ data }, index) => {
      bytes += bytesOf(data);
      return typeof data !== kind || (index > 0 && bytes > maxBytes);
    });
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end);
  }

  #begin(): Promise<() => void> {
    if (this.#over) return Promise.reject(this.#over);
    return (this.#begun ??= this.#open());
  }

  async #open(): Promise<() => void> {
    const unhear = await this.#node.hear(this.#topic, this);
    const entry = headOf("begin", this.run) + JSON.stringify({ life: this.#node.registry.life });
    try {
      await this.#publish(entry, `${this.run}:begin`, MAX_RETRIES);
    } catch (error) {
      unhear();
      throw error;
    }
    return unhear;
  }

  /** Publishes an entry once, however often that is tried. Without `retries` it is tried until the hub is closed. */
  async #publish(entry: Payload, key: string, retries = Infinity): Promise<Delivery> {
    for (let failures = 0;; failures++) {
      if (this.#over && !key.endsWith(":end")) throw this.#over;
      try {
        return await this.#node.verbs.publish(this.#topic, Frame.of(entry), undefined, { key });
      } catch (error) {
        const givesUp = failures >= retries || this.#node.state.status === "closed";
        if (givesUp || !isPassing(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)));
      }
    }
  }

  async #finish(entry: string, over: MeshError): Promise<void> {
    if (this.#over) throw this.#over;
    await this.#busy;
    await this.#begin();
    const { epoch = "", offset = 0 } = await this.#publish(entry, endKey(this.run), MAX_RETRIES);
    this.#close(over, undefined);
    const { messages } = await this.#node.verbs.history(this.#topic, {
      from: { epoch, offset: offset - 1 },
      to: offset,
    });
    const [kept] = messages;
    if (kept && kept.data !== entry) {
      throw new MeshError("failed_precondition", "the stream had failed before it ended");
    }
  }

  // ---- listening ----

  message(data: Payload): void {
    const entry = readEntry(data);
    if (!this.#live || !entry) return;
    if (entry.type === "stop") this.#options.stop(new MeshError("canceled", "a reader stopped the stream"));
    else if (entry.type === "begin" && entry.run !== this.run) this.#break(SUPERSEDED);
    else if (entry.type === "fail" && entry.run === this.run) this.#break(new MeshError(entry.code, entry.message));
  }

  live(): void {
    this.#live = true;
  }

  gap(): void {}

  closed(): void {
    const error = new MeshError("unavailable", "the hub is closed");
    this.#close(error, error);
  }

  // ---- the end ----

  /** The run cannot go on: its readers are told as soon as that can be published. */
  #break(error: MeshError): void {
    if (this.#over) return;
    this.#close(error, error);
    if (error !== SUPERSEDED) void this.#publish(failEntry(this.run, error), endKey(this.run)).catch(() => {});
  }

  /** Nothing can be appended any more. `broken` is why the run did not end as its producer wanted. */
  #close(over: MeshError, broken: MeshError | undefined): void {
    this.#over ??= over;
    clearTimeout(this.#idle);
    for (const { reject } of this.#queue.splice(0)) reject(over);
    this.#begun?.then((unhear) => unhear(), () => {});
    this.#options.over(broken);
  }

  /** Fails the run if nothing is appended for too long. */
  #rest(): void {
    clearTimeout(this.#idle);
    const { idleMs } = this.#options;
    const late = new MeshError("deadline_exceeded", `nothing was appended to the stream for ${idleMs} ms`);
    this.#idle = setTimeout(() => this.#break(late), idleMs);
  }
}

/** The key of the last entry of a run: only one of several is published. */
export function endKey(run: string): string {
  return `${run}:end`;
}

/** The entry that fails a run. */
export function failEntry(run: string, { code, message }: MeshError): string {
  return headOf("fail", run) + JSON.stringify({ code, message });
}

const SUPERSEDED = new MeshError("failed_precondition", "another stream began on the topic: use a topic for each");
const MAX_RETRIES = 5;

function isPassing(error: unknown): boolean {
  const code = errorCode(error);
  return code === "unavailable" || code === "unknown" || code === "deadline_exceeded" || code === "resource_exhausted";
}

function asMeshError(error: unknown): MeshError {
  return error instanceof MeshError ? error : new MeshError("internal", "the stream failed", { cause: error });
}

function together(waiting: readonly Waiting[]): Payload {
  const data = waiting.map((one) => one.data);
  return typeof data[0] === "string" ? data.join("") : joined(data as Uint8Array[]);
}

function bytesOf(data: Payload): number {
  return typeof data === "string" ? 3 * data.length : data.byteLength;
}

function tick(): Promise<void> {
  return new Promise((resolve) => afterTick(resolve));
}

interface Waiting {
  readonly data: Payload;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How a {@link Producer} is used. */
export interface ProducerOptions {
  /** The run fails if nothing is appended for so long. */
  readonly idleMs: number;
  /** A reader asks to stop. */
  stop(reason: MeshError): void;
  /** The run is over; with an error if it did not end as its producer wanted. */
  over(error: MeshError | undefined): void;
}
