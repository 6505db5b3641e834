import type { Admission, UpgradeContext } from "./admission.ts";
import { type AdmissionHost, Admissions, type Grant } from "./admissions.ts";
import { checkClose, checkName } from "./check.ts";
import type { Client } from "./client.ts";
import { Clients } from "./clients.ts";
import { CloseCode } from "./close-code.ts";
import { Connection, type ConnectionOwner, type Identity } from "./connection.ts";
import { drainClients } from "./drain.ts";
import { invalidArgument, MeshError } from "./error.ts";
import { Frame, type Message } from "./frame.ts";
import { type HubEvents, HubEventTarget, type HubStatus } from "./hub-events.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { errorLogger, type Logger } from "./logger.ts";
import type { SessionFactory } from "./session.ts";
import type { Socket } from "./socket.ts";
import type { Delivery, Members, SendOptions, SendToManyOptions } from "./verbs.ts";

/** How a {@link Hub} behaves; every field has a default. */
export interface HubOptions {
  /** Overrides of single {@link Limits}. */
  limits?: Partial<Limits>;
  /** Where to write. Default: errors to the console, nothing else. */
  logger?: Logger;
  /** Who wins when an id connects again: `"newest"` (default: the older is closed with 4409) or `"oldest"` (the newer is refused with 409). */
  duplicateIds?: "newest" | "oldest";
}

/** How {@link Hub.close} goes about it. */
export interface CloseOptions {
  /** Spreads the closing of the clients over this many milliseconds. Default 0: all at once. */
  drainMs?: number;
}

/**
 * The clients connected to this node: by id and by topic, with local fan-out.
 *
 * Its verbs are those of a DistHub, so an application moves from one node to many by changing its hub.
 * Every verb rejects with a TypeError (`invalid_argument`) for bad arguments and with a MeshError for anything else;
 * a rejection that nobody handles is logged as a warning and never ends the process.
 */
export class Hub<Data = unknown> implements AsyncDisposable {
  readonly limits: Readonly<Limits>;
  protected readonly clients: Clients<Data> = new Clients<Data>();
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
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.logger = options.logger ?? errorLogger;
    this.duplicateIds = options.duplicateIds ?? "newest";
    this.#events = new HubEventTarget(this.logger);
    this.#owner = this.#makeOwner();
    this.#admissions = new Admissions<Data>(this.#makeAdmissionHost());
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

  /** Calls `listener` at each event of the type; returns what takes it off again. */
  on<Type extends keyof HubEvents>(type: Type, listener: (event: HubEvents[Type]) => void): () => void {
    return this.#events.on(type, listener);
  }

  // ---- the verbs ----

  /** Sends to one id. True: its socket took the message. False: nobody has the id, or its buffer is full. */
  emit(id: string, message: Message, options?: SendOptions): Promise<boolean> {
    return this.tracked(this.sendTo(id, () => this.frame(message), options));
  }

  /** Whether the id is connected. */
  async online(id: string, options?: SendOptions): Promise<boolean> {
    checkName("id", id, this.limits.maxIdBytes);
    options?.signal?.throwIfAborted();
    return this.clients.get(id) !== undefined;
  }

  /** Sends to all clients. */
  broadcast(message: Message, options: SendToManyOptions = {}): Promise<Delivery> {
    return this.tracked(this.sendToAll(() => this.frame(message), options));
  }

  /** Sends to the clients that listen on the topic. */
  publish(topic: string, message: Message, options: SendToManyOptions = {}): Promise<Delivery> {
    return this.tracked(this.sendToTopic(topic, () => this.frame(message), options));
  }

  /** Who listens on the topic. */
  async members(topic: string, options?: SendOptions): Promise<Members> {
    checkName("topic", topic, this.limits.maxTopicBytes);
    options?.signal?.throwIfAborted();
    return { ids: this.localMembers(topic), unreachable: [] };
  }

  /** Makes a client listen on a topic. False: nobody has the id. */
  async subscribe(id: string, topic: string, options?: SendOptions): Promise<boolean> {
    checkName("id", id, this.limits.maxIdBytes);
    const connection = this.clients.get(id);
    if (connection) await this.listen(connection, [topic], options);
    return connection !== undefined;
  }

  /** Makes a client stop listening on a topic. False: nobody has the id. */
  async unsubscribe(id: string, topic: string, options?: SendOptions): Promise<boolean> {
    checkName("id", id, this.limits.maxIdBytes);
    const connection = this.clients.get(id);
    if (connection) await this.unlisten(connection, [topic], options);
    return connection !== undefined;
  }

  /** Closes the id's connection, in order after what was sent to it. False: nobody has the id. */
  async disconnect(id: string, code: number = CloseCode.Normal, reason = "", options?: SendOptions): Promise<boolean> {
    checkName("id", id, this.limits.maxIdBytes);
    checkClose(code, reason);
    options?.signal?.throwIfAborted();
    const connection = this.clients.get(id);
    connection?.close(code, reason);
    return connection !== undefined;
  }

  // ---- the life of the hub ----

  /**
   * Closes every client with 1012 (come back, to another node) and refuses new ones; settles when all are gone
   * and the servers that were started for this hub are stopped. Calling it again returns the same promise.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return (this.#closed ??= this.#close(options));
  }

  async #close(options: CloseOptions): Promise<void> {
    this.setStatus("draining");
    await this.beforeDrain();
    await drainClients(this.clients, options.drainMs ?? 0, this.limits.closeTimeoutMs);
    this.#events.dispatch("drained", { status: "draining" });
    await this.afterDrain();
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (error) {
        this.logger.error("meshsocket: something could not be closed", error);
      }
    }
    this.setStatus("closed");
    this.#events.dispatch("close", { status: "closed" });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs `cleanup` at the end of {@link Hub.close}: for what was started for this hub. The last added runs first. */
  onClose(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
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

  /** Makes the id this node's own. Rejects with `already_exists` when it is held and the oldest wins. */
  protected async claimId(id: string, _signal: AbortSignal | undefined): Promise<Grant> {
    if (this.duplicateIds === "oldest" && this.clients.get(id)) {
      throw new MeshError("already_exists", "the id is connected already");
    }
    return { claim: ++this.#claims };
  }

  /** A claimed id's connection stands; `onConnect` waits for the returned promise, which must not reject. */
  protected opened(_connection: Connection<Data>, _grant: Grant): Promise<void> | undefined {
    return undefined;
  }

  /** The claim ended: its connection is gone, or never came about. Must not throw. */
  protected releaseId(_id: string, _claim: bigint): void {}

  protected async beforeDrain(): Promise<void> {}

  protected async afterDrain(): Promise<void> {}

  protected async sendTo(id: string, makeFrame: () => Frame, options?: SendOptions): Promise<boolean> {
    checkName("id", id, this.limits.maxIdBytes);
    const frame = makeFrame();
    options?.signal?.throwIfAborted();
    if (!this.clients.emit(id, frame)) return false;
    return await this.taken(frame);
  }

  protected async sendToAll(makeFrame: () => Frame, options: SendToManyOptions): Promise<Delivery> {
    const frame = makeFrame();
    options.signal?.throwIfAborted();
    return await this.delivery(this.clients.broadcast(frame, exceptSet(options.except)), frame);
  }

  protected async sendToTopic(topic: string, makeFrame: () => Frame, options: SendToManyOptions): Promise<Delivery> {
    checkName("topic", topic, this.limits.maxTopicBytes);
    const frame = makeFrame();
    options.signal?.throwIfAborted();
    return await this.delivery(this.clients.publish(topic, frame, exceptSet(options.except)), frame);
  }

  protected async listen(connection: Connection<Data>, topics: readonly string[], options?: SendOptions): Promise<void> {
    this.checkTopics(topics);
    options?.signal?.throwIfAborted();
    this.checkTopicRoom(connection, topics);
    if (!connection.open) return;
    for (const topic of topics) this.clients.topics.add(topic, connection);
  }

  protected async unlisten(
    connection: Connection<Data>,
    topics: readonly string[],
    _options?: SendOptions,
  ): Promise<void> {
    this.checkTopics(topics);
    for (const topic of topics) this.clients.topics.delete(topic, connection);
  }

  /** The connection takes no more messages: gives up its id and its topics. */
  protected left(connection: Connection<Data>): void {
    this.clients.delete(connection);
    this.clients.topics.deleteAll(connection);
    this.releaseId(connection.id, connection.claim);
  }

  // ---- shared with DistHub ----

  protected frame(message: Message): Frame {
    const frame = Frame.of(message);
    if (frame.byteLength > this.limits.maxMessageBytes + 10) {
      throw new MeshError("resource_exhausted", `the message is longer than ${this.limits.maxMessageBytes} bytes`);
    }
    return frame;
  }

  /** Whether the one socket that the frame was queued for took it, once this tick is written. */
  protected async taken(frame: Frame): Promise<boolean> {
    await this.clients.written();
    return frame.refused === 0;
  }

  protected async delivery(offered: number, frame: Frame): Promise<Delivery> {
    await this.clients.written();
    return { delivered: offered - frame.refused, dropped: frame.refused, unreachable: [] };
  }

  protected localMembers(topic: string): string[] {
    return Array.from(this.clients.topics.listeners(topic) ?? [], (connection) => connection.id);
  }

  protected checkTopics(topics: readonly string[]): void {
    if (!Array.isArray(topics)) throw invalidArgument("topics are a string or an array of strings");
    for (const topic of topics) checkName("topic", topic, this.limits.maxTopicBytes);
  }

  protected checkTopicRoom(connection: Connection<Data>, topics: readonly string[]): void {
    const { maxTopicsPerClient } = this.limits;
    if (connection.topics.size + topics.length <= maxTopicsPerClient) return;
    const more = new Set(topics).difference(connection.topics).size;
    if (connection.topics.size + more <= maxTopicsPerClient) return;
    throw new MeshError("resource_exhausted", `a client listens on at most ${maxTopicsPerClient} topics`);
  }

  /** Gives a promise a handler of ours, so that a forgotten `await` never becomes an unhandled rejection. */
  protected tracked<Result>(promise: Promise<Result>): Promise<Result> {
    promise.catch((error: unknown) => {
      this.logger.warn("meshsocket: a send failed", error);
      this.#events.dispatch("sendfailed", { error });
    });
    return promise;
  }

  protected setStatus(status: HubStatus): void {
    this.#status = status;
  }

  protected dispatch<Type extends keyof HubEvents>(type: Type, event: HubEvents[Type]): void {
    this.#events.dispatch(type, event);
  }

  #makeOwner(): ConnectionOwner<Data> {
    return {
      limits: this.limits,
      willFlush: (connection) => this.clients.willFlush(connection),
      left: (connection) => this.left(connection),
      report: (text, error) => this.logger.error(`meshsocket: ${text}`, error),
      send: (connection, message) => this.tracked(this.#sendToConnection(connection, message)),
      broadcast: (message, options) => this.broadcast(message, options),
      publish: (topic, message, options) => this.publish(topic, message, options),
      subscribe: (connection, topics, options) => this.tracked(this.listen(connection, topics, options)),
      unsubscribe: (connection, topics, options) => this.tracked(this.unlisten(connection, topics, options)),
    };
  }

  #makeAdmissionHost(): AdmissionHost<Data> {
    const status = (): HubStatus => this.#status;
    const size = (): number => this.clients.size;
    return {
      limits: this.limits,
      logger: this.logger,
      get status() {
        return status();
      },
      get size() {
        return size();
      },
      claimId: (id, signal) => this.claimId(id, signal),
      releaseId: (id, claim) => this.releaseId(id, claim),
      join: (socket, identity, grant) => this.#join(socket, identity, grant),
    };
  }

  #join(socket: Socket, identity: Identity<Data>, grant: Grant): Connection<Data> {
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

  async #sendToConnection(connection: Connection<Data>, message: Message): Promise<boolean> {
    const frame = this.frame(message);
    return connection.enqueue(frame) && (await this.taken(frame));
  }
}

/** A set of ids to leave out; undefined for none. Throws a TypeError (`invalid_argument`) if it is no iterable of strings. */
export function exceptSet(except: Iterable<string> | undefined): ReadonlySet<string> | undefined {
  if (except === undefined) return undefined;
  if (typeof except === "string" || typeof except[Symbol.iterator] !== "function") {
    throw invalidArgument("except is a list of ids");
  }
  return except instanceof Set ? (except as ReadonlySet<string>) : new Set(except);
}
