import type { Counters } from "../base/counters/counters.ts";
import type { MeshError } from "../base/error.ts";
import { checkHost } from "../base/host.ts";
import { CloseCode } from "../base/close-code.ts";
import type { ClusterDependencies } from "./cluster-dependencies.ts";
import type { PresenceRequest, PresenceResponse } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { HubState } from "../hub/state.ts";
import { Incoming } from "./incoming.ts";
import type { JoinOptions } from "./join-options.ts";
import { Moving } from "./moves/moving.ts";
import type { NeighbourEvents } from "./membership.ts";
import { Neighbours } from "./neighbours.ts";
import { presenceFeed } from "./topics/presence-feed.ts";
import { RequestTable } from "./request-table.ts";
import { settledWithin } from "../send/deadline.ts";
import { Router } from "./router.ts";
import type { Clients } from "../client/clients.ts";
import type { KeptTopics } from "../hub/history/kept-topics.ts";
import type { Holder } from "../storage/storage.ts";
import { Topics } from "./topics/topics.ts";
import { RemoteVerbs } from "./verbs.ts";

/**
 * One node's part in the cluster.
 *
 * Four parts hold what belongs together: {@link Neighbours}, the other nodes and the ids; {@link Topics}, which of them
 * have clients on which topic; {@link Moving}, clients between two nodes; {@link Incoming}, what the others send. The cluster itself passes on to each part what happened.
 */
export class Cluster<Data = unknown> implements NeighbourEvents {
  readonly neighbours: Neighbours<Data>;
  readonly topics: Topics<Data>;
  readonly moving: Moving<Data>;
  readonly incoming: Incoming<Data>;
  /** The verbs for the clients of the other nodes. */
  readonly remote: RemoteVerbs;
  readonly #clients: Clients<Data>;
  readonly #kept: KeptTopics<Data>;
  readonly #state: HubState;
  readonly #counters: Counters;
  readonly #router: Router;
  readonly #timeoutMs: number;
  readonly #stopped = new AbortController();

  /** Throws a TypeError (`invalid_argument`) for a bad host. */
  constructor(node: ClusterDependencies<Data>, options: JoinOptions) {
    checkHost(options.host);
    this.#clients = node.clients;
    this.#kept = node.kept;
    this.#state = node.state;
    this.#counters = node.counters;
    this.neighbours = new Neighbours<Data>(node, options, this);
    const { links } = this.neighbours;
    this.topics = new Topics<Data>(node, this.neighbours);
    this.#router = new Router({
      storage: node.storage,
      recorder: node.recorder,
      maxRoutes: node.limits.maxRoutes,
      counters: node.counters,
      links,
    });
    const requests = new RequestTable(this.#stopped.signal);
    const { timeoutMs } = node.limits;
    this.#timeoutMs = timeoutMs;
    const { traces } = node;
    this.remote = new RemoteVerbs({ links, router: this.#router, nodes: this.topics, requests, timeoutMs, traces });
    this.moving = new Moving<Data>(node, this.neighbours, this.topics);
    const { neighbours, topics, moving } = this;
    this.incoming = new Incoming<Data>(node, neighbours, topics, moving, requests, this.#stopped.signal);
  }

  /** The present life of this node. */
  get holder(): Holder {
    return this.neighbours.holder;
  }

  /** Takes the lease and meets the other nodes. Rejects if the storage cannot be reached. */
  start(): Promise<void> {
    return this.neighbours.start();
  }

  /** Leaves the cluster: lease, claims, links. Never rejects. Other nodes get the answers to what this one took before. */
  async stop(): Promise<void> {
    this.topics.close();
    await settledWithin(this.incoming.answered(), this.#timeoutMs);
    this.#stopped.abort();
    await this.neighbours.stop();
  }

  /** Reports the clients here on the topics that another node asks for. */
  presenceFeed(requests: AsyncIterable<PresenceRequest>, signal: AbortSignal): AsyncIterable<PresenceResponse> {
    const ended = AbortSignal.any([signal, this.#stopped.signal]);
    return presenceFeed(this.#clients, requests, this.neighbours, ended);
  }

  // ---- what happens to the neighbours ----

  joined(node: Holder): void {
    this.#counters.nodesNow++;
    this.#state.events.dispatch("nodejoin", { node });
  }

  left(node: Holder): void {
    this.#counters.nodesNow--;
    this.#router.forgetLife(node.life);
    this.topics.forget(node.life);
    this.neighbours.forget(node.life);
    this.#state.events.dispatch("nodeleave", { node });
    // It may have died between the history and the listeners here.
    this.#kept.loaded?.verify();
  }

  renewed(): void {
    this.neighbours.retry();
    this.topics.retry();
    this.#state.ready();
  }

  degraded(error: unknown): void {
    this.#state.degraded(error);
  }

  /** Sends this node's clients to other nodes. */
  displaced({ message }: MeshError): void {
    for (const connection of [...this.#clients.values()]) connection.close(CloseCode.ServiceRestart, message);
  }

  /** Claims again the ids of this node's clients, and announces its topics again. */
  async lost(): Promise<void> {
    this.topics.lost();
    this.neighbours.claims.lost();
    await this.neighbours.reclaim.all();
    await this.topics.restore();
    this.#kept.loaded?.verify();
  }

  stalled(): void {
    this.incoming.lines.cut();
  }
}
