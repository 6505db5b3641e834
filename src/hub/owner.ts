import { type About, about } from "../base/log/about.ts";
import { type AdmissionDependencies, Admissions, type Grant } from "../door/admit.ts";
import { bump, type Counters } from "../base/counters/counters.ts";
import { unlessAborted } from "../base/abort.ts";
import { checkSendOptions, EMIT_OPTIONS, SUBSCRIBE_OPTIONS } from "../send/calls.ts";
import { userTopic } from "../base/check/topic.ts";
import type { Traces } from "../base/trace/tracing.ts";
import type { Client } from "../client/client.ts";
import { CloseCode } from "../base/close-code.ts";
import { Connection, type ConnectionOwner } from "../client/connection.ts";
import { Acks, Turns } from "../client/resume/turns.ts";
import type { ClientOwner, Identity } from "../client/client-owner.ts";
import type { End } from "../client/handlers.ts";
import { HubClient } from "../client/hub-client.ts";
import { movedElsewhere } from "../client/resume/handover.ts";
import { InfoChanges } from "./info-changes.ts";
import { settle } from "../client/resume/settle.ts";
import { replace } from "../client/resume/replace.ts";
import { resumeOptions } from "./hub-options.ts";
import { Budget } from "../client/resume/budget.ts";
import type { LostReason, ResumeOffer, ResumeOptions } from "../client/resume/resume.ts";
import { invalidArgument, MeshError } from "../base/error.ts";
import { Frame, type Message } from "../send/frame.ts";
import type { HubNode } from "./node.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/log/logger.ts";
import { checkSize, type Sender } from "../send/sender.ts";
import type { Recorder } from "../base/watch/recorder.ts";
import type { RefusedEvent } from "../door/refusal.ts";
import type { Socket } from "../client/socket.ts";
import { DELTA_FORMAT, type Subscribed } from "../wire/topics.ts";
import type { SubscribeCall } from "../client/resume/topic-calls.ts";
import type {
  Delivery,
  EmitOptions,
  From,
  ListenOptions,
  Recovery,
  SendOptions,
  SendToManyOptions,
  SendToTopicOptions,
} from "../send/verbs.ts";

/**
 * The hub as its connections and its door see it: lets clients in, does what they ask of the hub, and lets them go.
 */
export class Owner<Data> implements ClientOwner<Data, HubClient<Data>>, ConnectionOwner, AdmissionDependencies<Data> {
  readonly limits: Readonly<Limits>;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly traces: Traces;
  readonly dropsSlow: boolean;
  readonly staysAfterError: boolean;
  readonly admissions: Admissions<Data>;
  readonly resume: ResumeOptions;
  readonly resumeBudget: Budget;
  readonly acks: Acks = new Acks();
  readonly turns: Turns = new Turns();
  readonly #node: HubNode<Data>;
  readonly #hub: Sender;
  readonly #away = new Set<HubClient<Data>>();
  readonly #infoChanges: InfoChanges<Data>;

  constructor(node: HubNode<Data>, hub: Sender) {
    this.limits = node.limits;
    this.logger = node.logger;
    this.counters = node.counters;
    this.traces = node.traces;
    this.dropsSlow = node.options.slowConsumer === "drop";
    this.staysAfterError = node.options.handlerError === "report";
    this.resume = resumeOptions(node.options.resume);
    this.resumeBudget = new Budget(node.limits.maxResumeBytes);
    this.#node = node;
    this.#hub = hub;
    this.#infoChanges = new InfoChanges(node.clients.topics);
    node.owner = this;
    this.admissions = new Admissions<Data>(this, node.options);
  }

  get recorder(): Recorder {
    return this.#node.recorder;
  }

  // ---- for the door ----

  closing(): boolean {
    return this.#node.state.closing;
  }

  size(): number {
    return this.#node.clients.size;
  }

  comesBack(id: string, resume: ResumeOffer): boolean {
    const client = this.#node.clients.get(id);
    return client?.v1 !== undefined && client.v1.refusalOf(resume) === undefined;
  }

  clientsOf(user: string, id: string): number {
    const { clients } = this.#node;
    const all = clients.topics.listeners(userTopic(user));
    const own = clients.get(id);
    return (all?.size ?? 0) - (own && all?.has(own) ? 1 : 0);
  }

  claimId(id: string, resume: ResumeOffer | undefined, signal: AbortSignal | undefined): Promise<Grant> {
    return this.#node.registry.claim(id, resume, signal);
  }

  giveUp(id: string, grant: Grant): void {
    this.#node.registry.settle(grant);
    this.#node.registry.release(id, grant.claim);
  }

  join(socket: Socket, identity: Identity<Data>, grant: Grant): Connection {
    const { clients, registry } = this.#node;
    registry.settle(grant);
    const current = clients.get(identity.id);
    if (grant.replaced || (current && current.claim > identity.claim)) return this.#turnAway(socket, identity);
    if (current?.arrival && identity.resume) {
      const connection = new Connection(current, this, socket, identity);
      clients.watch(connection);
      void this.#afterArrival(current, connection, identity, grant);
      return connection;
    }
    const refusal = identity.resume && current && refusalOf(current, identity.resume);
    if (current && identity.resume && refusal === undefined) return this.#resume(current, socket, identity, grant);
    const client = new HubClient<Data>(this, identity);
    const connection = new Connection(client, this, socket, identity);
    const resume = refusal === undefined ? identity.resume : undefined;
    clients.add(client);
    // Before the older client leaves the topic of the user: the topic keeps its listener on this node.
    const known = resume ? undefined : this.#toUser(client);
    if (current) replace(current, identity.resume);
    clients.watch(connection);
    if (resume) {
      client.expected(connection, this.#takeOver(client, connection, resume, grant));
    } else {
      if (refusal !== undefined) bump(this.counters.resumes, refusal);
      client.connected(connection, refusal);
      const opened = registry.opened(client, grant);
      client.handlers.start(known ? Promise.all([opened, known]) : opened);
      this.#closeIfClosing(client);
    }
    return connection;
  }

  /** Makes the client reachable as its user's; undefined if it is so at once. A client for which that fails is closed. */
  #toUser(client: HubClient<Data>): Promise<void> | undefined {
    return this.#node.subscriptions.addUser(client)?.catch((error: unknown) => {
      this.report(
        "a client could not be reached as its user's, and was closed",
        error,
        about("client_failed", { client: client.id }),
      );
      client.close(CloseCode.TryAgainLater, "try again");
    });
  }

  /** Asks the node that had the client before for it. Until that answers, messages to the client wait. */
  async #takeOver(client: HubClient<Data>, connection: Connection, resume: ResumeOffer, grant: Grant) {
    const { registry, subscriptions } = this.#node;
    const handed = await registry.takeOver(client, grant, resume);
    const lost = settle(client, connection, resume, handed, this);
    registry.arrived(client);
    if (lost !== undefined) bump(this.counters.resumes, lost);
    if (lost !== undefined) subscriptions.deleteAll(client);
    if (lost !== undefined && client.open) {
      // Messages of topics with history that it got here come after some that it does not get.
      const begins = typeof handed === "string" || handed.places.length === 0;
      if (begins && client.begun(connection, lost)) client.handlers.start(this.#toUser(client));
      else client.lose("closed");
    }
    if (client.open) return this.#closeIfClosing(client);
    const { code, reason } = client.closeSent ?? { code: CloseCode.TryAgainLater, reason: "" };
    connection.close(code, reason);
  }

  /** The client comes back a second time, while its state is still on its way here. */
  async #afterArrival(client: HubClient<Data>, connection: Connection, identity: Identity<Data>, grant: Grant) {
    await client.arrival;
    const { resume } = identity;
    if (!client.open || !resume || client.v1?.refusalOf(resume) !== undefined) {
      connection.close(CloseCode.TryAgainLater, "try again");
      return;
    }
    client.resume(connection, identity);
    void this.#node.registry.opened(client, grant);
  }

  /** A newer client has the id already. */
  #turnAway(socket: Socket, identity: Identity<Data>): Connection {
    const client = new HubClient<Data>(this, identity);
    const connection = new Connection(client, this, socket, identity);
    client.connected(connection, identity.resume && "unknown");
    // One that came to resume may have been overtaken by an earlier attempt of its own.
    client.close(identity.resume ? CloseCode.TryAgainLater : CloseCode.Replaced, "replaced by a newer connection");
    return connection;
  }

  #resume(client: HubClient<Data>, socket: Socket, identity: Identity<Data>, grant: Grant): Connection {
    const { clients, registry } = this.#node;
    const connection = new Connection(client, this, socket, identity);
    client.resume(connection, identity);
    clients.watch(connection);
    void registry.opened(client, grant);
    this.#closeIfClosing(client);
    return connection;
  }

  /** One without a connection waits for another node to take it. */
  #closeIfClosing(client: HubClient<Data>): void {
    if (this.#node.state.closing && client.connection) {
      client.interrupt(CloseCode.ServiceRestart, "this node is closing");
    }
  }

  refused(event: RefusedEvent): void {
    bump(this.counters.refusals, event.reason);
    this.#node.state.events.dispatch("refused", event);
  }

  // ---- for clients ----

  handOn(client: HubClient<Data>): void {
    this.#node.clients.handOn(client);
  }

  willFlush(client: HubClient<Data>): void {
    this.#node.clients.willFlush(client);
  }

  detached(connection: Connection): void {
    this.#node.clients.unwatch(connection);
    this.admissions.left(connection);
  }

  left(client: HubClient<Data>): void {
    this.#isBack(client);
    this.#node.clients.delete(client);
    this.#node.subscriptions.deleteAll(client);
    // A client that moved has its claim from the other node, which took this one's place.
    if (!client.moved) this.#node.registry.release(client.id, client.claim);
  }

  connected(client: Client<Data>): void {
    this.counters.connects++;
    this.#node.state.events.dispatch("connect", { client });
  }

  disconnected(client: Client<Data>, end: End): void {
    bump(this.counters.closes, end.code);
    this.#node.state.events.dispatch("disconnect", { client, ...end });
  }

  away(client: HubClient<Data>): void {
    this.counters.aways++;
    this.counters.awayNow = this.#away.add(client).size;
    this.#node.state.events.dispatch("away", { client });
  }

  takeWaiting(client: HubClient<Data>): Frame[] {
    return this.#node.clients.topics.takeWaiting(client);
  }

  infoChanged(client: HubClient<Data>): void {
    this.#infoChanges.add(client);
  }

  resumed(client: HubClient<Data>): void {
    bump(this.counters.resumes, "resumed");
    this.#isBack(client);
    this.#node.state.events.dispatch("resumed", { client });
  }

  #isBack(client: HubClient<Data>): void {
    if (this.#away.delete(client)) this.counters.awayNow = this.#away.size;
  }

  lost(client: HubClient<Data>, reason: LostReason, undelivered: readonly (string | Uint8Array)[]): void {
    bump(this.counters.lost, reason);
    this.#node.state.events.dispatch("lost", { client, reason, undelivered });
  }

  report(text: string, error: unknown, what: About): void {
    this.logger.error(`meshsocket: ${text}`, error, what);
  }

  /** As {@link Calls.run}, for the most frequent call: once the arguments are good its promise does not reject. */
  send(client: HubClient<Data>, message: Message, options?: EmitOptions): Promise<boolean> {
    try {
      checkSendOptions(options, EMIT_OPTIONS);
      if (client.moved || (client.leaving && !this.#node.registry.isHere(client.id))) {
        return this.#hub.emit(client.id, message, options);
      }
      const frame = checkSize(Frame.of(message), this.limits);
      if (options?.confirm === true) return this.#confirm(client, frame, options);
      const tally = this.counters.sends["emit"] ??= {};
      if (client.outbox.enqueue(frame)) return this.#node.clients.taken(frame, tally);
      bump(tally, "missed");
      return Promise.resolve(false);
    } catch (error) {
      return this.#node.calls.rejected("emit", error);
    }
  }

  closeElsewhere({ id }: HubClient<Data>, code: number, reason: string): void {
    this.#hub.disconnect(id, code, reason).catch((error: unknown) => {
      this.report("could not close a client that moved to another node", error, about("client_failed", { client: id }));
    });
  }

  #confirm(client: HubClient<Data>, frame: Frame, options: EmitOptions): Promise<boolean> {
    const { calls, clients } = this.#node;
    const confirmed = clients.confirm(client, frame, options.timeoutMs ?? this.limits.timeoutMs);
    return calls.run("emit", undefined, () => unlessAborted(confirmed, options.signal));
  }

  rejected(check: () => void): Promise<never> {
    return this.#node.calls.run("invalid", undefined, async () => {
      check();
      throw new MeshError("internal", "a check did not throw");
    });
  }

  request(client: HubClient<Data>, message: Message, options?: SendOptions): Promise<string | Uint8Array> {
    return this.#hub.request(client.id, message, options);
  }

  broadcast(message: Message, options: SendToManyOptions): Promise<Delivery> {
    return this.#hub.broadcast(message, options);
  }

  publish(topic: string, message: Message, options: SendToTopicOptions): Promise<Delivery> {
    return this.#hub.publish(topic, message, options);
  }

  async listen(client: HubClient<Data>, { topic, from, stream, delta }: SubscribeCall): Promise<Subscribed> {
    if (client.leaving) throw movedElsewhere("subscribe again");
    // On a topic on which no stream can be its reader would wait without an end.
    const streams = stream ? await this.#node.loadStreams() : undefined;
    streams?.check(topic);
    const subscribed = await this.#listen(client, topic, from);
    if (delta) await this.#node.deltas;
    const format = delta && this.#node.subscriptions.giveDeltas(client, topic) ? DELTA_FORMAT : undefined;
    const latest = this.#node.clients.topics.isLatest(topic) || undefined;
    streams?.guardClients(topic);
    return { ...subscribed, latest, delta: format };
  }

  async #listen(client: HubClient<Data>, topic: string, from: unknown): Promise<Subscribed> {
    const { kept, subscriptions } = this.#node;
    if (from !== undefined && kept.windowOf(topic) && !client.topics.has(topic)) {
      const { position, recovered } = await subscriptions.listenFrom(client, topic, from as From);
      return { ...position, recovered };
    }
    await subscriptions.listen(client, [topic]);
    return { ...kept.loaded?.placeOf(topic), recovered: from === undefined ? undefined : false };
  }

  unlisten(client: HubClient<Data>, topic: string): void {
    if (client.leaving) throw movedElsewhere("unsubscribe again");
    this.#node.subscriptions.unlisten(client, topic);
  }

  subscribe(
    client: HubClient<Data>,
    topics: readonly string[],
    options: ListenOptions = {},
  ): Promise<Recovery | void> {
    const { calls, subscriptions } = this.#node;
    return calls.run("subscribe", options, (checked): Promise<Recovery | void> => {
      const { from, ...own } = options;
      if (client.leaving) {
        // Only the node of the client can begin at a place.
        if (from !== undefined) throw movedElsewhere("subscribe in onResume");
        return Promise.all(topics.map((topic) => this.#hub.subscribe(client.id, topic, own))).then(() => {});
      }
      if (from === undefined) return subscriptions.add(client, topics, checked);
      const [topic = "", ...others] = topics;
      if (others.length > 0) throw invalidArgument("from goes with one topic: subscribe to each in a call of its own");
      return subscriptions.join(client, topic, from, checked);
    }, SUBSCRIBE_OPTIONS);
  }

  unsubscribe(client: HubClient<Data>, topics: readonly string[], options?: SendOptions): Promise<void> {
    const { calls, subscriptions } = this.#node;
    return calls.run("unsubscribe", options, async (checked) => {
      if (!client.leaving) return await subscriptions.delete(client, topics);
      await Promise.all(topics.map((topic) => this.#hub.unsubscribe(client.id, topic, checked)));
    });
  }
}

/** Why the client cannot resume here; undefined if it can. One that leaves for another node is neither here nor there. */
function refusalOf<Data>(client: HubClient<Data>, offer: ResumeOffer): string | undefined {
  return client.v1 && !client.leaving ? client.v1.refusalOf(offer) : "unknown";
}
