import type { ClientOwner } from "../client/client-owner.ts";
import type { OptionTable } from "../base/check/check.ts";
import { Counters } from "../base/counters/counters.ts";
import { Calls } from "../send/calls.ts";
import { Clients } from "../client/clients.ts";
import type { HubClient } from "../client/hub-client.ts";
import { checkHubOptions, HUB_OPTIONS, type HubOptions } from "./hub-options.ts";
import { type Limits, mergeLimits } from "../base/limits.ts";
import { LocalVerbs } from "./local.ts";
import { LimitedLogger } from "../base/log/limited-logger.ts";
import { about } from "../base/log/about.ts";
import { chosenLogger } from "../base/log/logger.ts";
import { NO_RECORDER, type Recorder } from "../base/watch/recorder.ts";
import { Traces } from "../base/trace/tracing.ts";
import { Presences } from "./presences.ts";
import { LocalRegistry, type Registry } from "./registry.ts";
import { HubState } from "./state.ts";
import { TopicCompression } from "./topics/topic-compression.ts";
import type { Ear } from "./history/ear.ts";
import { KeptTopics } from "./history/kept-topics.ts";
import type { Streams } from "./stream/streams.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Verbs } from "../send/verbs.ts";

/**
 * The parts of one node. A {@link Hub} is their face to the application.
 *
 * A node of a cluster has the same parts, but another registry and other verbs.
 */
export class HubNode<Data> {
  readonly options: HubOptions;
  readonly limits: Readonly<Limits>;
  readonly logger: LimitedLogger;
  readonly counters: Counters = new Counters();
  readonly traces: Traces = new Traces();
  readonly state: HubState;
  readonly calls: Calls;
  readonly clients: Clients<Data>;
  readonly subscriptions: Subscriptions<Data>;
  readonly presences: Presences<Data>;
  readonly kept: KeptTopics<Data>;
  /** The verbs for this node's own clients. */
  readonly local: LocalVerbs<Data>;
  /** The owner of the clients; undefined before the hub is made. */
  owner: ClientOwner<Data, HubClient<Data>> | undefined;
  /** Of a node of a cluster it keeps what happened lately. */
  recorder: Recorder = NO_RECORDER;
  /** Decides which client may have an id: alone, or with the cluster. */
  registry: Registry<Data>;
  /** Settles when the code of deltas is there; undefined if no topic has them. */
  readonly deltas: Promise<void> | undefined;
  #streams: Streams | undefined;
  #loading: Promise<Streams> | undefined;
  /** The verbs of the hub: for this node's clients, or for those of the cluster. */
  verbs: Verbs;

  /** Throws a TypeError (`invalid_argument`) for bad options. */
  constructor(
    options: HubOptions,
    status: "starting" | "ready" = "ready",
    table: OptionTable<HubOptions> = HUB_OPTIONS,
  ) {
    checkHubOptions(options, table);
    this.options = options;
    this.limits = mergeLimits(options.limits);
    this.logger = new LimitedLogger(chosenLogger(options.logger));
    this.state = new HubState(this.logger, status);
    this.calls = new Calls((error) => this.state.sendFailed(error), this.counters, this.traces);
    this.clients = new Clients<Data>(this.limits, this.counters);
    this.clients.compression = TopicCompression.from(options);
    this.deltas = options.topics?.some(({ delta }) => delta) ? this.#loadDeltas() : undefined;
    this.kept = new KeptTopics<Data>(this);
    this.subscriptions = new Subscriptions<Data>(this.clients, this.limits, this.kept);
    if (options.topics?.some(({ slowConsumer }) => slowConsumer)) this.subscriptions.loading = this.#loadSlowReaders();
    this.presences = new Presences<Data>(this.clients, this.limits, this.logger);
    this.local = new LocalVerbs<Data>(this.clients, this.subscriptions, this.limits.timeoutMs, this.kept);
    this.registry = new LocalRegistry<Data>(this.clients, this.refusesDuplicates);
    this.verbs = this.local;
  }

  /** The streams of this node; undefined before there is one. */
  get streams(): Streams | undefined {
    return this.#streams;
  }

  /** Loads the code of streams, which few hubs need. */
  loadStreams(): Promise<Streams> {
    return (this.#loading ??= import("./stream/streams.ts").then(async ({ Streams }) => {
      await this.subscriptions.loading;
      return (this.#streams = new Streams(this));
    }));
  }

  /** Loads the code of `slowConsumer: "latest"`, which few hubs need. */
  async #loadSlowReaders(): Promise<void> {
    try {
      const { slowReadersOf } = await import("./topics/slow-readers.ts");
      this.clients.topics.spare(slowReadersOf(this.options, this.counters));
    } catch (error) {
      const text = "could not load the code of slowConsumer, so slow clients get every message";
      this.logger.error(`meshsocket: ${text}`, error, about("code_missing"));
    }
  }

  /** Loads the code of `delta: true`, and the package that it needs. Without that all messages go out whole. */
  async #loadDeltas(): Promise<void> {
    try {
      const { deltasOf } = await import("./topics/deltas-of.ts");
      this.clients.topics.deltas(deltasOf(this.options));
    } catch (error) {
      const text = "could not load the package fossil-delta, so delta: true has no effect: npm install fossil-delta";
      this.logger.error(`meshsocket: ${text}`, error, about("code_missing"));
    }
  }

  /** How many clients of this node listen on a topic. */
  listeners(topic: string): number {
    return this.clients.topics.listeners(topic)?.size ?? 0;
  }

  /** Lets a part of this node listen on a topic with history: rejects with `failed_precondition` if the topic keeps none. */
  hear(topic: string, ear: Ear): Promise<() => void> {
    return this.kept.demand(topic, (histories) => histories.hear(topic, ear, this.subscriptions));
  }

  /** Whether an id that is connected is refused to a newer client, rather than taken over by it. */
  get refusesDuplicates(): boolean {
    return this.options.duplicateIds === "oldest";
  }
}
