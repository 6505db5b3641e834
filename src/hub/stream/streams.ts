import { MeshError } from "../../base/error.ts";
import { unref } from "../../base/tick.ts";
import { Frame } from "../../send/frame.ts";
import type { SendOptions } from "../../send/verbs.ts";
import { Reading, STOP, type StreamState } from "../../wire/stream.ts";
import type { Payload } from "../../wire/v1.ts";
import type { Ear } from "../history/ear.ts";
import { keepsNone } from "../history/kept-topics.ts";
import { Guard } from "./guard.ts";
import { Producer, type ProducerOptions } from "./producer.ts";
import type { StreamsNode } from "./streams-node.ts";

/** The streams of one node: those that it produces, and those that are read here. */
export class Streams {
  readonly #node: StreamsNode;
  readonly #producers = new Map<string, Producer>();
  readonly #guards = new Map<string, { readonly guard: Guard; users: number }>();
  readonly #guardedForClients = new Set<string>();

  constructor(node: StreamsNode) {
    this.#node = node;
  }

  /** Begins a run of the stream. Throws what {@link check} throws. */
  produce(topic: string, options: ProducerOptions): Producer {
    this.check(topic);
    const over = (error: MeshError | undefined): void => {
      this.#producers.delete(producer.run);
      options.over(error);
    };
    const producer: Producer = new Producer(topic, this.#node, { ...options, over });
    this.#producers.set(producer.run, producer);
    return producer;
  }

  /**
   * Throws `failed_precondition` for a topic that cannot be a stream: one that keeps no history, and one with `slowConsumer: "latest"`, of
   * which readers may miss parts.
   */
  check(topic: string): void {
    if (this.#node.kept.windowOf(topic) === undefined) keepsNone(topic);
    if (!this.#node.clients.topics.isLatest(topic)) return;
    const text = 'a stream needs each of its messages: give it a topic without slowConsumer: "latest"';
    throw new MeshError("failed_precondition", text);
  }

  /** Asks the producer of the stream to stop, on whatever node. */
  async stop(topic: string, options: SendOptions): Promise<void> {
    this.check(topic);
    await this.#node.verbs.publish(topic, Frame.of(STOP), undefined, options);
  }

  /** The state of the stream now. One whose producer's node may be dead is open until that is known. */
  async look(topic: string): Promise<StreamState> {
    const { limits, registry } = this.#node;
    const reader = new Reader(limits.maxReplayBytes);
    const { reading } = reader;
    const unhear = await this.#node.hear(topic, reader);
    const inDoubt = (): boolean => reading.state === "open" && !registry.lives(reading.life ?? "");
    const release = inDoubt() ? this.guard(topic) : undefined;
    const untilMs = performance.now() + 2 * registry.leaseMs + limits.timeoutMs;
    try {
      while (inDoubt() && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      return reading.state;
    } finally {
      unhear();
      release?.();
    }
  }

  /** The parts of the stream: those so far as one, then each. */
  async *read(topic: string, signal: AbortSignal | undefined): AsyncGenerator<Payload, undefined> {
    signal?.throwIfAborted();
    const reader = new Reader(this.#node.limits.maxReplayBytes);
    const onAbort = (): void => reader.reading.stop(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    const release = this.guard(topic);
    const unheard = this.#node.hear(topic, reader);
    try {
      await unheard;
      for (let part = await reader.reading.next(); part !== undefined; part = await reader.reading.next()) yield part;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      unheard.then((unhear) => unhear(), () => {});
      release();
    }
    return undefined;
  }

  /** Watches that the stream has a living producer as long as it is read here. */
  guard(topic: string): () => void {
    let guarded = this.#guards.get(topic);
    if (!guarded) {
      guarded = { guard: new Guard(topic, this.#node, (run) => this.#producers.has(run)), users: 0 };
      this.#guards.set(topic, guarded);
    }
    guarded.users++;
    return once(() => this.#release(topic));
  }

  /** {@link guard} for clients that read the stream: as long as any listens on the topic. */
  guardClients(topic: string): void {
    if (this.#guardedForClients.has(topic)) return;
    const release = this.guard(topic);
    const timer = setInterval(() => {
      if (this.#node.listeners(topic) > 0) return;
      clearInterval(timer);
      this.#guardedForClients.delete(topic);
      release();
    }, CLIENTS_LOOK_MS);
    unref(timer);
    this.#guardedForClients.add(topic);
  }

  #release(topic: string): void {
    const guarded = this.#guards.get(topic);
    if (!guarded || --guarded.users > 0) return;
    guarded.guard.close();
    this.#guards.delete(topic);
  }

  /** Fails the streams that this node produces. Never rejects. */
  async close(): Promise<void> {
    const error = new MeshError("unavailable", "the node of the stream's producer was closed");
    await Promise.allSettled([...this.#producers.values()].map((producer) => producer.fail(error)));
    for (const { guard } of this.#guards.values()) guard.close();
    this.#guards.clear();
  }
}

const LOOK_MS = 20;
const CLIENTS_LOOK_MS = 5_000;

/** One reader on this node. */
class Reader implements Ear {
  readonly hearsKept = true;
  readonly reading: Reading;

  constructor(maxBytes: number) {
    this.reading = new Reading(maxBytes);
  }

  message(data: Payload): void {
    this.reading.message(data);
  }

  live(): void {
    this.reading.live();
  }

  gap(): void {
    this.reading.gap();
  }

  closed(): void {
    this.reading.stop(new MeshError("unavailable", "the hub is closed"));
  }
}

function once(call: () => void): () => void {
  let called = false;
  return () => {
    if (!called) call();
    called = true;
  };
}
