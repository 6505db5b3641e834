import { create } from "@bufbuild/protobuf";
import { Audience } from "./audience.ts";
import { Claims } from "./claims.ts";
import { CloseCode } from "../base/close-code.ts";
import type { DistSession } from "./dist-session.ts";
import { Evictions } from "./evictions.ts";
import type { Frame } from "../send/frame.ts";
import {
  HelloRequestSchema,
  type PresenceRequest,
  type PresenceResponse,
  type Reply,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import type { HubNode } from "../hub/node.ts";
import { checkHost } from "../base/host.ts";
import { Inbox } from "../link/inbox.ts";
import { IncomingLines } from "../link/incoming-lines.ts";
import { Interest } from "./interest.ts";
import { publishItem, replyItem } from "../link/items.ts";
import type { JoinOptions } from "./join-options.ts";
import { Links } from "../link/links.ts";
import { Membership } from "./membership.ts";
import { presenceFeed } from "./presence-feed.ts";
import { PresenceLines } from "./presence-lines.ts";
import { Reach, type RemoteMembers } from "./remote.ts";
import { receive } from "./receive.ts";
import { Reclaim } from "./reclaim.ts";
import { RequestTable } from "./request-table.ts";
import { Router } from "./router.ts";
import { fromRpcError } from "../rpc/error.ts";
import type { Holder, Storage } from "../storage/storage.ts";
import type { TokenSource } from "../rpc/token.ts";
import type { Count, Delivery, Except } from "../send/verbs.ts";

/** What a {@link Cluster} needs of its node, besides what every hub has. */
export interface ClusterHost<Data> extends HubNode<Data> {
  readonly storage: Storage;
  readonly secrets: { readonly tokens: TokenSource | undefined };
  readonly leaseMs: number;
}

/** One node's part in the cluster: its lease, its claims, its links, and what it knows of the others. */
export class Cluster<Data = unknown> {
  readonly claims: Claims;
  readonly interest: Interest;
  readonly inbox: Inbox;
  /** The lines of the other nodes. */
  readonly incoming: IncomingLines;
  readonly reach: Reach;
  readonly requests: RequestTable;
  readonly presence: PresenceLines;
  readonly #own: ClusterHost<Data>;
  readonly #host: string;
  readonly #membership: Membership;
  readonly #links: Links;
  readonly #router: Router;
  readonly #audience: Audience;
  readonly #stopped = new AbortController();
  readonly reclaim: Reclaim<Data>;
  readonly #evictions: Evictions;

  constructor(own: ClusterHost<Data>, options: JoinOptions) {
    const { storage, limits, logger, secrets: { tokens } } = own;
    checkHost(options.host);
    this.#own = own;
    this.#host = options.host;
    const holder = (): Holder => this.#membership.holder;
    this.#membership = this.#makeMembership();
    this.#links = new Links({ limits, tokens, transport: options.transport, lines: "stream", from: holder });
    this.#router = new Router({
      storage,
      maxRoutes: limits.maxRoutes,
      start: (to, item, deadlineMs, caller) => this.#links.start(to, item, deadlineMs, caller),
    });
    this.#audience = new Audience({ storage, holder, maxTopics: limits.maxRoutes });
    this.reach = new Reach(this.#router, this.#links);
    this.requests = new RequestTable(this.reach, this.stopped);
    this.presence = new PresenceLines({
      client: (node) => this.#links.client(node),
      audience: (topic) => this.#audience.find(topic, async (nodes) => [...nodes]),
      lives: (node) => this.#membership.has(node),
      suspect: (node) => this.#membership.suspect(node),
      timeoutMs: limits.timeoutMs,
    });
    this.claims = new Claims({
      storage,
      holder,
      ifAbsent: own.refusesDuplicates,
      holds: (id) => this.holds(id),
      onFailure: (error) => this.#membership.storageFailed(error),
      maxWaiting: limits.maxConnections,
    });
    this.interest = new Interest({
      storage,
      holder,
      logger,
      // A node that is silent must not make subscriptions fail: they wait for twice as long.
      tell: (to, item) => this.#links.call(to, item, performance.now() + limits.timeoutMs / 2),
    });
    this.#evictions = new Evictions({
      logger,
      tell: (to, item) => this.#links.call(to, item, performance.now() + limits.timeoutMs),
      lives: (node) => this.#membership.has(node),
      maxWaiting: limits.maxConnections,
    });
    this.reclaim = new Reclaim<Data>({ storage, holder, clients: own.clients });
    this.incoming = new IncomingLines({
      serving: () => this.#membership.servingLife !== undefined,
      deliver: (batch) => this.inbox.deliver(batch),
      limits,
      stopped: this.stopped,
    });
    this.inbox = new Inbox({
      life: () => this.#membership.servingLife,
      maxLines: limits.maxInboxLines,
      handle: (items, from) =>
        receive(
          {
            clients: own.clients,
            evict: (id, claim) => this.#evict(id, claim),
            reply: (to, reply) => this.#reply(to, reply),
            replied: (reply) => this.requests.replied(reply),
            announced: (topic, node) => this.#announced(topic, node),
            subscription: (id, topic, wanted) =>
              wanted ? own.local.subscribe(id, topic, {}) : own.local.unsubscribe(id, topic),
          },
          items,
          from,
        ),
    });
  }

  /** The present life of this node. */
  get holder(): Holder {
    return this.#membership.holder;
  }

  /** Aborted when this node leaves the cluster. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /** The other living nodes. */
  nodes(): Holder[] {
    return this.#membership.nodes();
  }

  start(): Promise<void> {
    return this.#membership.start();
  }

  /** Leaves the cluster: lease, claims, links. Never rejects. */
  async stop(): Promise<void> {
    this.presence.close();
    this.#stopped.abort();
    await this.#membership.stop();
    this.#links.close();
  }

  // ---- what other nodes say ----

  /** Another node says that it lives, or leaves. */
  hello(node: Holder, leaving: boolean): void {
    if (leaving) this.#membership.heardLeaving(node);
    else this.#membership.heard(node);
  }

  #evict(id: string, claim: bigint): void {
    this.claims.evict(id, claim);
    const connection = this.#own.clients.get(id);
    if (connection && connection.claim < claim) connection.close(CloseCode.Replaced, "replaced by a newer connection");
  }

  /** Who listens here on the topics that another node asks for. */
  presenceFeed(requests: AsyncIterable<PresenceRequest>, signal: AbortSignal): AsyncIterable<PresenceResponse> {
    const ended = AbortSignal.any([signal, this.stopped]);
    return presenceFeed(this.#own.clients, requests, () => this.holder.life, ended);
  }

  // ---- ids ----

  /** Whether this node holds the id. */
  holds(id: string): boolean {
    return this.#own.clients.get(id) !== undefined;
  }

  /** Has the previous holder of a claimed id close its connection; undefined when there is none. Never rejects. */
  evictPrevious(id: string, { previous, claim }: DistSession): Promise<void> | undefined {
    const elsewhere = previous && previous.life !== this.holder.life;
    return elsewhere ? this.#evictions.evict(previous, id, claim) : undefined;
  }

  release(id: string, claim: bigint): void {
    const { life } = this.holder;
    this.#evictions.whenTold(id, () => this.claims.release(id, life, claim));
  }

  // ---- topics ----

  /** Sends to the other nodes that have listeners on the topic. Never rejects. */
  publish(topic: string, frame: Frame, except: Except, deadlineMs: number): Promise<Delivery> {
    const item = publishItem(topic, frame, except);
    const notHere = (node: Holder): void => this.#audience.drop(topic, node);
    return this.#toAudience(topic, (nodes, failed) => this.reach.toAll(nodes, item, deadlineMs, notHere, failed));
  }

  /** Who listens on the topic on other nodes. Never rejects. */
  members(topic: string, idsOnly: boolean, deadlineMs: number): Promise<RemoteMembers> {
    return this.#toAudience(topic, (nodes, failed) => this.reach.members(nodes, topic, idsOnly, deadlineMs, failed));
  }

  /** How many listen on the topic on other nodes. Never rejects. */
  count(topic: string, deadlineMs: number): Promise<Count> {
    return this.#toAudience(topic, (nodes, failed) => this.reach.count(nodes, topic, deadlineMs, failed));
  }

  /** Hands on the nodes with listeners, in the order of the callers: every other node when the storage cannot say which. */
  #toAudience<Result>(
    topic: string,
    use: (nodes: Iterable<Holder>, failed: (node: Holder) => void) => Promise<Result>,
  ): Promise<Result> {
    const failed = (node: Holder): void => {
      if (!this.#membership.has(node)) this.#audience.doubt(topic, node);
    };
    return this.#audience.find(topic, (nodes) => use(nodes, failed), () => this.nodes());
  }

  #announced(topic: string, node: Holder): void {
    this.#audience.announced(topic, node);
    this.presence.announced(topic, node);
  }

  #reply(to: Holder, reply: Reply): void {
    const deadlineMs = performance.now() + this.#own.limits.timeoutMs;
    this.#links.call(to, replyItem(reply), deadlineMs).catch((error: unknown) => {
      this.#own.logger.warn("meshsocket: a reply could not be handed back", error);
    });
  }

  // ---- lease and life ----

  #makeMembership(): Membership {
    const { storage, leaseMs, logger, limits, state } = this.#own;
    return new Membership({
      storage,
      host: this.#host,
      leaseMs,
      logger,
      hello: async (to, from, leaving) => {
        const request = create(HelloRequestSchema, { from, leaving });
        await this.#links.client(to).hello(request, { timeoutMs: limits.storageTimeoutMs }).catch((error: unknown) => {
          throw fromRpcError(error);
        });
      },
      sample: () => this.reclaim.sample(),
      isLost: (entries) => this.reclaim.isLost(entries),
      onLost: () => this.#restore(),
      onJoin: (node) => state.events.dispatch("nodejoin", { node }),
      onLeave: (node) => this.#forget(node),
      onDegraded: (error) => state.degraded(error),
      onRenewed: () => this.#renewed(),
      stallMs: limits.timeoutMs,
      onStall: () => this.incoming.cut(),
    });
  }

  #forget(node: Holder): void {
    this.#router.forgetLife(node.life);
    this.#audience.forgetLife(node.life);
    this.#evictions.forget(node.life);
    this.interest.forget(node.life);
    this.presence.forget(node.life);
    this.#links.drop(node.life);
    this.#own.state.events.dispatch("nodeleave", { node });
  }

  #renewed(): void {
    this.claims.retryReleases();
    this.#evictions.retry();
    this.interest.retry();
    this.presence.retry();
    this.#own.state.ready();
  }

  /** Claims again what this node's clients hold, and tells again what it wants. */
  async #restore(): Promise<void> {
    this.#audience.clear();
    this.claims.lost();
    await this.reclaim.all();
    await this.interest.restore();
    await this.presence.restore();
  }
}
