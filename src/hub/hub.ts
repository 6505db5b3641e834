import { about } from "../base/log/about.ts";
import type { Admission, UpgradeContext } from "../door/admission.ts";
import type { Counters } from "../base/counters/counters.ts";
import type { Compression } from "../send/compression.ts";
import { compressionOf } from "./topics/topic-compression.ts";
import { checkFunction, checkName, checkOptions } from "../base/check/check.ts";
import { checkTopic } from "../base/check/topic.ts";
import type { Client } from "../client/client.ts";
import { drainClients } from "./drain.ts";
import type { HubStatus } from "../base/hub-status.ts";
import type { HubEvents } from "./hub-events.ts";
import { checkCloseOptions, type CloseOptions, type HubOptions } from "./hub-options.ts";
import type { Logger } from "../base/log/logger.ts";
import { HubNode } from "./node.ts";
import { Owner } from "./owner.ts";
import { type Readiness, readinessOf } from "./readiness.ts";
import type { SessionFactory } from "../client/session.ts";
import { type PresenceWatch, WATCH_OPTIONS, type WatchOptions } from "./presence-watch.ts";
import { Sender } from "../send/sender.ts";
import { Stream, type StreamOptions } from "./stream/stream.ts";
import { User } from "../send/user.ts";
import { TopicUserVerbs } from "../send/user-verbs.ts";

/**
 * The clients connected to this node: by id and by topic, with local fan-out.
 *
 * Its verbs are those of a DistHub, so an application moves from one node to many by changing its hub.
 *
 * ```ts
 * import { Hub } from "meshsocket";
 * import { serve } from "meshsocket/node";
 *
 * const hub = new Hub();
 * await serve(hub, { port: 8080, session: () => ({ id: "alice" }) });
 * await hub.emit("alice", "hi"); // true if her socket took it
 * await hub.broadcast("hi, all", { except: ["alice"] }); // { delivered, dropped, unreachable }
 * ```
 */
export class Hub<Data = unknown> extends Sender implements AsyncDisposable {
  /** The log of the hub and of its adapters. */
  readonly logger: Logger;
  /**
   * Which messages its adapters compress; undefined for none.
   *
   * @internal
   */
  readonly compression: Compression | undefined;
  readonly #node: HubNode<Data>;
  readonly #owner: Owner<Data>;
  readonly #cleanups: (() => unknown)[] = [];
  #closed: Promise<void> | undefined;

  /** Throws a TypeError (`invalid_argument`) for bad options. */
  constructor(options?: HubOptions);
  /** @internal */
  constructor(options: HubOptions, node: HubNode<Data>);
  constructor(options: HubOptions = {}, node: HubNode<Data> = new HubNode<Data>(options)) {
    super(node.limits, node.verbs, node.calls);
    this.logger = node.logger;
    this.compression = compressionOf(node.options);
    this.#node = node;
    this.#owner = new Owner<Data>(node, this);
  }

  /**
   * The clients of a user, over all nodes: those whose session named this `user`.
   *
   * Nothing is looked up before one of its verbs is called, so that it may be kept, or made for each call. Throws a TypeError
   * (`invalid_argument`) for a name that cannot be one.
   *
   * ```ts
   * await hub.user("alice").emit("hi"); // to all her tabs and devices: { delivered, held, dropped, unreachable }
   * ```
   */
  user(name: string): User {
    checkName("user", name, this.limits.maxIdBytes);
    const { limits, verbs, calls } = this.#node;
    return new User(name, { limits, verbs: new TopicUserVerbs(verbs, limits.timeoutMs), calls });
  }

  /**
   * A stream on a topic with history: to produce it, or to read it. Nothing happens before one of its methods is called.
   *
   * Throws a TypeError (`invalid_argument`) for a bad topic or bad options. Its methods reject with `failed_precondition` if the topic keeps no history.
   *
   * ```ts
   * const answer = hub.stream("answer:42");
   * await answer.append("Hello"); // readers on any node get it, now or later
   * await answer.end();
   * ```
   */
  stream(topic: string, options: StreamOptions = {}): Stream {
    checkTopic(topic, this.limits.maxTopicBytes);
    return new Stream(topic, options, this.limits.maxMessageBytes, () => this.#node.loadStreams());
  }

  // ---- this node ----

  /** The client of this node that has the id. */
  client(id: string): Client<Data> | undefined {
    return this.#node.clients.get(id);
  }

  /** How many clients this node holds. */
  get size(): number {
    return this.#node.clients.size;
  }

  /** The clients of this node. */
  [Symbol.iterator](): IterableIterator<Client<Data>> {
    return this.#node.clients.values();
  }

  /** The topics that have listeners on this node. */
  topics(): string[] {
    return [...this.#node.clients.topics.names()];
  }

  /** The state of the hub: whether it takes clients. */
  get status(): HubStatus {
    return this.#node.state.status;
  }

  /** Whether the hub is ready for new traffic, and if it is not, since when and why: what `serve({ health: true })` answers. */
  get readiness(): Readiness {
    return readinessOf(this.#node.state);
  }

  /** Calls `listener` at each event of the type; returns what stops that. */
  on<Type extends keyof HubEvents>(type: Type, listener: (event: HubEvents[Type]) => void): () => void {
    return this.#node.state.events.on(type, listener);
  }

  /**
   * Watches the members of a topic, over all nodes: iterate the returned watch, or give an `onEvent`.
   *
   * The joins of present members come first, then joins, leaves, and updates of `info` as they happen, once each per member, even
   * if a node dies; an id that moves to a newer connection neither joins nor leaves. Throws a TypeError (`invalid_argument`)
   * for a bad topic. It ends with its signal, `close()`, `break`, or the hub.
   *
   * ```ts
   * for await (const { type, id } of hub.watchPresence("room:1")) console.log(type, id); // "join", "leave" or "update"
   * ```
   */
  watchPresence(topic: string, options: WatchOptions = {}): PresenceWatch {
    checkTopic(topic, this.limits.maxTopicBytes);
    checkOptions<WatchOptions>("options", options, WATCH_OPTIONS);
    return this.#node.presences.watch(topic, options);
  }

  // ---- the life of the hub ----

  /**
   * Closes the hub: announces its end for `announceMs`, then refuses new clients and closes every client with 1012 (come
   * back, to another node) over `drainMs`.
   *
   * Settles when all clients are gone, the calls that had begun have ended, and the servers that were started for this hub
   * are stopped. Calling it again returns the same promise, whatever the options. Rejects with a TypeError
   * (`invalid_argument`) for bad options.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      checkCloseOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    return (this.#closed ??= this.#close(options));
  }

  async #close({ announceMs = 0, drainMs = 0 }: CloseOptions): Promise<void> {
    const { calls, clients, kept, limits, presences, registry, state } = this.#node;
    state.announce();
    if (announceMs > 0) await new Promise((resolve) => setTimeout(resolve, announceMs));
    const drainedMs = performance.now() + drainMs;
    state.drain();
    this.#owner.admissions.close();
    const { closeTimeoutMs, timeoutMs } = limits;
    await drainClients(clients, registry, { drainMs, closeTimeoutMs, timeoutMs });
    await calls.ended(Math.max(limits.timeoutMs, drainedMs - performance.now()));
    state.drained();
    presences.close();
    await this.#node.streams?.close();
    await registry.leave();
    kept.loaded?.close();
    for (const cleanup of this.#cleanups.reverse()) await this.#cleanUp(cleanup);
    state.closed();
  }

  async #cleanUp(cleanup: () => unknown): Promise<void> {
    try {
      await cleanup();
    } catch (error) {
      this.logger.error("meshsocket: could not run a cleanup of onClose", error, about("cleanup_failed"));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs `cleanup` at the end of {@link Hub.close}, or at once when that is over: for what was started for this hub. The last added runs first. */
  onClose(cleanup: () => unknown): void {
    checkFunction("cleanup", cleanup);
    if (this.#node.state.status === "closed") void this.#cleanUp(cleanup);
    else this.#cleanups.push(cleanup);
  }

  /**
   * All that this hub has counted. `meshsocket/prometheus` reads it.
   *
   * @internal
   */
  get counters(): Counters {
    return this.#node.counters;
  }

  /**
   * How many topics have listeners on this node.
   *
   * @internal
   */
  get topicCount(): number {
    return this.#node.clients.topics.size;
  }

  // ---- for adapters ----

  /**
   * Decides about an upgrade: a Response to send instead of the 101, or an Admission.
   * Never rejects: whatever fails becomes a Response.
   */
  admit(request: Request, session: SessionFactory<Data>, context: UpgradeContext): Promise<Response | Admission> {
    return this.#owner.admissions.admit(request, session, context);
  }
}
