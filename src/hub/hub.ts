import type { Admission, UpgradeContext } from "../door/admission.ts";
import { type AdmissionHost, Admissions, type Grant } from "../door/admit.ts";
import { checkFunction, checkName } from "../base/check.ts";
import type { Client } from "../client/client.ts";
import { Clients } from "../client/clients.ts";
import { CloseCode } from "../base/close-code.ts";
import { Connection } from "../client/connection.ts";
import type { ConnectionOwner, Identity } from "../client/connection-owner.ts";
import { drainClients } from "./drain.ts";
import { errorCode, MeshError } from "../base/error.ts";
import { Frame, type Message } from "../send/frame.ts";
import type { HubStatus } from "../base/hub-status.ts";
import { type HubEvents, HubEventTarget } from "./hub-events.ts";
import { checkCloseOptions, checkHubOptions, type CloseOptions, type HubOptions } from "./hub-options.ts";
import { mergeLimits } from "../base/limits.ts";
import { Local } from "./local.ts";
import { errorLogger, type Logger } from "../base/logger.ts";
import type { SessionFactory } from "../client/session.ts";
import type { Socket } from "../client/socket.ts";
import type { PresenceWatch, WatchOptions } from "./presence-watch.ts";
import { Presences } from "./presences.ts";
import { checkSendOptions, checkSize, Sender } from "../send/sender.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { SendOptions, Verbs } from "../send/verbs.ts";

/**
 * The clients connected to this node: by id and by topic, with local fan-out.
 *
 * Its verbs are those of a DistHub, so an application moves from one node to many by changing its hub.
 */
export class Hub<Data = unknown> extends Sender implements AsyncDisposable {
  /**
   * The verbs for this node's own clients, with checked arguments.
   *
   * @internal
   */
  readonly local: Local<Data>;
  /** @internal */
  protected readonly clients: Clients<Data> = new Clients<Data>(this.limits);
  /** @internal */
  protected readonly subscriptions: Subscriptions<Data>;
  /** @internal */
  protected readonly presences: Presences<Data>;
  /** Where the hub and its adapters write. */
  readonly logger: Logger;
  protected readonly duplicateIds: "newest" | "oldest";
  readonly #events: HubEventTarget;
  readonly #owner: ConnectionOwner<Data>;
  readonly #admissions: Admissions<Data>;
  readonly #cleanups: (() => unknown)[] = [];
  #status: HubStatus = "ready";
  #claims = 0n;
  #closed: Promise<void> | undefined;

  constructor(options: HubOptions = {}) {
    checkHubOptions(options);
    super(mergeLimits(options.limits));
    this.subscriptions = new Subscriptions<Data>(this.clients, this.limits);
    this.presences = new Presences<Data>(this.clients, this.limits, options.logger ?? errorLogger);
    this.local = new Local<Data>(this.clients, this.subscriptions, this.limits.timeoutMs);
    this.logger = options.logger ?? errorLogger;
    this.duplicateIds = options.duplicateIds ?? "newest";
    this.#events = new HubEventTarget(this.logger);
    this.#owner = this.#makeOwner(options.slowConsumer === "drop");
    this.#admissions = new Admissions<Data>(this.#makeAdmissionHost(), options);
  }

  /** @internal */
  protected override get verbs(): Verbs {
    return this.local;
  }

  // ---- this node ----

  /** The client of this node that has the id. */
  client(id: string): Client<Data> | undefined {
    return this.clients.get(id);
  }

  /** How many clients this node holds. */
  get size(): number {
    return this.clients.size;
  }

  /** The clients of this node. */
  [Symbol.iterator](): IterableIterator<Client<Data>> {
    return this.clients.values();
  }

  /** The topics that have listeners on this node. */
  topics(): string[] {
    return [...this.clients.topics.names()];
  }

  /** What the hub can do now. */
  get status(): HubStatus {
    return this.#status;
  }

  /** Calls `listener` at each event of the type; returns what stops that. */
  on<Type extends keyof HubEvents>(type: Type, listener: (event: HubEvents[Type]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /**
   * Watches who listens on a topic, over all nodes: iterate what it returns, or give an `onEvent`.
   *
   * First come the joins of those who are there, then joins and leaves as they happen, once each per member, also when a
   * node dies; an id that moves to a newer connection neither joins nor leaves. Throws a TypeError (`invalid_argument`)
   * for a bad topic. It ends with its signal, `close()`, `break`, or the hub.
   */
  watchPresence(topic: string, options: WatchOptions = {}): PresenceWatch {
    checkName("topic", topic, this.limits.maxTopicBytes);
    return this.presences.watch(topic, options);
  }

  // ---- the life of the hub ----

  /**
   * Closes every client with 1012 (come back, to another node) and refuses new ones; settles when all are gone, the calls that
   * had begun have ended, and the servers that were started for this hub are stopped. Calling it again returns the same promise.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      checkCloseOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    return (this.#closed ??= this.#close(options.drainMs ?? 0));
  }

  async #close(drainMs: number): Promise<void> {
    const drainedMs = performance.now() + drainMs;
    this.setStatus("draining");
    this.#admissions.close();
    await drainClients(this.clients, drainMs, this.limits.closeTimeoutMs);
    await this.callsEnded(Math.max(this.limits.timeoutMs, drainedMs - performance.now()));
    this.#events.dispatch("drained", { status: "draining" });
    this.presences.close();
    await this.afterDrain();
    for (const cleanup of this.#cleanups.reverse()) await this.#cleanUp(cleanup);
    this.setStatus("closed");
    this.#events.dispatch("close", { status: "closed" });
  }

  async #cleanUp(cleanup: () => unknown): Promise<void> {
    try {
      await cleanup();
    } catch (error) {
      this.logger.error("meshsocket: something could not be closed", error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs `cleanup` at the end of {@link Hub.close}, or at once when that is over: for what was started for this hub. The last added runs first. */
  onClose(cleanup: () => unknown): void {
    checkFunction("cleanup", cleanup);
    if (this.#status === "closed") void this.#cleanUp(cleanup);
    else this.#cleanups.push(cleanup);
  }

  // ---- for adapters ----

  /**
   * Decides about an upgrade: a Response to send instead of the 101, or an Admission.
   * Never rejects: whatever fails becomes a Response.
   */
  admit(request: Request, session: SessionFactory<Data>, context: UpgradeContext): Promise<Response | Admission> {
    return this.#admissions.admit(request, session, context);
  }

  // ---- what a DistHub does differently ----

  /**
   * Makes the id this node's own. Rejects with `already_exists` when it is held and the oldest wins.
   *
   * @internal
   */
  protected async claimId(id: string, _signal: AbortSignal | undefined): Promise<Grant> {
    if (this.duplicateIds === "oldest" && this.clients.get(id)) {
      throw new MeshError("already_exists", "the id is connected already");
    }
    return { claim: ++this.#claims };
  }

  /**
   * The connection of a granted claim stands or did not come about: the grant is settled.
   *
   * @internal
   */
  protected settled(_grant: Grant): void {}

  /**
   * A claimed id's connection stands; `onConnect` waits for the returned promise, which must not reject.
   *
   * @internal
   */
  protected opened(_connection: Connection<Data>, _grant: Grant): Promise<void> | undefined {
    return undefined;
  }

  /**
   * The claim ended: its connection is gone, or never came about. Must not throw.
   *
   * @internal
   */
  protected releaseId(_id: string, _claim: bigint): void {}

  /** @internal */
  protected async afterDrain(): Promise<void> {}

  /** The connection takes no more messages: gives up its id and its topics. */
  #left(connection: Connection<Data>): void {
    this.clients.delete(connection);
    this.subscriptions.deleteAll(connection);
    this.releaseId(connection.id, connection.claim);
    this.#admissions.left(connection);
  }

  /** @internal */
  protected override failed(error: unknown): void {
    if (errorCode(error) === "invalid_argument") this.logger.error("meshsocket: a call had a bad argument", error);
    else this.logger.warn("meshsocket: a call failed", error);
    this.#events.dispatch("sendfailed", { error });
  }

  /** @internal */
  protected setStatus(status: HubStatus): void {
    this.#status = status;
  }

  /** @internal */
  protected dispatch<Type extends keyof HubEvents>(type: Type, event: HubEvents[Type]): void {
    this.#events.dispatch(type, event);
  }

  #makeOwner(dropsSlow: boolean): ConnectionOwner<Data> {
    const { clients } = this;
    return {
      limits: this.limits,
      dropsSlow,
      get fanOut() {
        return clients.fanOut;
      },
      willFlush: (connection) => clients.willFlush(connection),
      left: (connection) => this.#left(connection),
      report: (text, error) => this.logger.error(`meshsocket: ${text}`, error),
      send: (connection, message, options) => this.#sendToConnection(connection, message, options),
      request: (connection, message, options) => this.request(connection.id, message, options),
      broadcast: (message, options) => this.broadcast(message, options),
      publish: (topic, message, options) => this.publish(topic, message, options),
      subscribe: (connection, topics, options) =>
        this.run(options, (checked) => this.subscriptions.add(connection, topics, checked)),
      unsubscribe: (connection, topics, options) =>
        this.run(options, () => this.subscriptions.delete(connection, topics)),
    };
  }

  #makeAdmissionHost(): AdmissionHost<Data> {
    return {
      limits: this.limits,
      logger: this.logger,
      status: () => this.#status,
      size: () => this.clients.size,
      claimId: (id, signal) => this.claimId(id, signal),
      giveUp: (id, grant) => {
        this.settled(grant);
        this.releaseId(id, grant.claim);
      },
      join: (socket, identity, grant) => this.#join(socket, identity, grant),
    };
  }

  #join(socket: Socket, identity: Identity<Data>, grant: Grant): Connection<Data> {
    this.settled(grant);
    const connection = new Connection<Data>(this.#owner, socket, identity);
    const current = this.clients.get(identity.id);
    if (grant.replaced || (current && current.claim > identity.claim)) {
      connection.close(CloseCode.Replaced, "replaced by a newer connection");
      return connection;
    }
    this.clients.add(connection);
    current?.close(CloseCode.Replaced, "replaced by a newer connection");
    connection.start(this.opened(connection, grant));
    return connection;
  }

  /** As {@link Sender.run}, for the most frequent call: once the arguments are good its promise does not reject. */
  #sendToConnection(connection: Connection<Data>, message: Message, options?: SendOptions): Promise<boolean> {
    try {
      checkSendOptions(options);
      const frame = checkSize(Frame.of(message), this.limits);
      return connection.enqueue(frame) ? this.clients.taken(frame) : Promise.resolve(false);
    } catch (error) {
      return this.rejected(error);
    }
  }
}
