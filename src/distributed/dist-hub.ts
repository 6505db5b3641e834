import type { Grant } from "../door/admit.ts";
import { checkFunction, checkMs } from "../base/check.ts";
import { Cluster } from "../cluster/cluster.ts";
import type { JoinOptions } from "../cluster/join-options.ts";
import type { Connection } from "../client/connection.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import { DistSession } from "../cluster/dist-session.ts";
import { MeshError } from "../base/error.ts";
import { DistVerbs } from "./dist-verbs.ts";
import { Hub } from "../hub/hub.ts";
import type { HubOptions } from "../hub/hub-options.ts";
import type { PresenceRequest, PresenceResponse } from "../gen/meshsocket/node/v1/node_pb.ts";
import { presenceFeed } from "../cluster/presence-feed.ts";
import { checkStorage, type Holder, type Storage } from "../storage/storage.ts";
import { type AccessRules, type ApiKey, checkApiKeys } from "../rpc/access.ts";
import { isWeakSecret, type Secret, secretList, TokenSource } from "../rpc/token.ts";
import type { Verbs } from "../send/verbs.ts";

/** How a {@link DistHub} behaves. */
export interface DistHubOptions extends HubOptions {
  /** Who holds what; the same for all nodes of the cluster. */
  storage: Storage;
  /** What the nodes of the cluster share to know each other. Of several the first mints, all are accepted. Without one the RPC port stays on loopback. */
  secret?: Secret | undefined;
  /** Secrets of back-ends, each with the calls of the Cluster service that its tokens open. Default: none. */
  apiKeys?: readonly ApiKey[];
  /** Which hosts of the storage are dialled, beside the check of their syntax. A refused one is as good as unreachable. Default: all. */
  peers?: (host: string) => boolean;
  /** Milliseconds that the claim to be alive lasts; it is renewed each third. Default 15,000. */
  leaseMs?: number;
}

const DEFAULT_LEASE_MS = 15_000;
const MIN_LEASE_MS = 300;

/**
 * A {@link Hub} that is one node of a cluster: the same verbs, reaching the clients of every node.
 *
 * It takes clients once it has joined, which `serve` and `listen` of an adapter do for it.
 * Beside the errors of a Hub its verbs reject with `unavailable` (nothing was sent), `deadline_exceeded` or `unknown`
 * (the message may have arrived), and `failed_precondition` before it joined.
 */
export class DistHub<Data = unknown> extends Hub<Data> {
  readonly storage: Storage;
  /** Whose tokens this node takes. */
  #access: AccessRules;
  readonly #tokens: TokenSource | undefined;
  readonly #peers: ((host: string) => boolean) | undefined;
  readonly leaseMs: number;
  readonly #verbs: DistVerbs<Data>;
  #cluster: Cluster<Data> | undefined;

  constructor(options: DistHubOptions) {
    super(options);
    checkStorage(options?.storage);
    this.storage = options.storage;
    const { secret, apiKeys = [], peers } = options;
    const secrets = secret === undefined ? [] : secretList(secret);
    checkApiKeys(apiKeys, secrets);
    if (peers !== undefined) checkFunction("peers", peers);
    this.#access = { secrets, apiKeys };
    this.#tokens = secrets.length > 0 ? new TokenSource({ secret: secrets }) : undefined;
    this.#peers = peers;
    if (this.secrets.length > 0 && isWeakSecret(this.secrets)) {
      this.logger.warn("meshsocket: the secret is shorter than 32 bytes");
    }
    this.leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
    checkMs("leaseMs", this.leaseMs, MIN_LEASE_MS);
    this.#verbs = new DistVerbs<Data>(this.local, () => this.cluster, this.limits.timeoutMs);
    this.setStatus("starting");
  }

  /** @internal */
  protected override get verbs(): Verbs {
    return this.#verbs;
  }

  /** The secrets of the cluster, the one that mints first; empty for none. */
  get secrets(): readonly string[] {
    return this.#access.secrets;
  }

  /**
   * Whose tokens this node takes, for a DistServer.
   *
   * @internal
   */
  get access(): AccessRules {
    return this.#access;
  }

  /**
   * Changes the secrets while the node runs; nothing is cut. The first mints from now on, all are accepted.
   *
   * To rotate: give every node `[old, new]`, then every node `[new, old]`, then every node `new`.
   * Throws a TypeError (`invalid_argument`) for an empty secret and a MeshError (`failed_precondition`) when the hub was made
   * without one.
   */
  setSecret(secret: Secret): void {
    if (this.secrets.length === 0) throw new MeshError("failed_precondition", "the hub was made without a secret");
    const secrets = secretList(secret);
    checkApiKeys(this.#access.apiKeys, secrets);
    this.#access = { ...this.#access, secrets };
    this.#tokens?.rotate(secrets);
  }

  /** This node's life in the cluster; undefined before it joined. */
  get holder(): Holder | undefined {
    return this.#cluster?.holder;
  }

  /** The living nodes of the cluster, this one included. */
  nodes(): Holder[] {
    const cluster = this.cluster;
    return [cluster.holder, ...cluster.nodes()];
  }

  /**
   * Makes this hub a node of the cluster; its RPC must be answered at `host` already.
   * Adapters call it. Rejects with `unavailable` when the storage cannot be reached and with `failed_precondition`
   * when the hub has joined before, or is closed.
   */
  async join(options: JoinOptions): Promise<void> {
    if (this.#cluster) throw new MeshError("failed_precondition", "the hub has joined already: make another one");
    if (this.status !== "starting") throw new MeshError("failed_precondition", "the hub is closed: make another one");
    const { clients, logger, limits, storage, leaseMs } = this;
    const ifAbsent = this.duplicateIds === "oldest";
    this.#cluster = new Cluster<Data>({
      ...options,
      clients,
      logger,
      limits,
      storage,
      tokens: this.#tokens,
      transport: (host) => this.#dial(host, options),
      leaseMs,
      ifAbsent,
      local: this.local,
      onJoin: (node) => this.dispatch("nodejoin", { node }),
      onLeave: (node) => this.dispatch("nodeleave", { node }),
      onDegraded: (error) => this.#degraded(error),
      onRenewed: () => this.#ready(),
    });
    this.subscriptions.interest = this.#cluster.interest;
    this.presences.remote = this.#cluster.presence;
    try {
      await this.#cluster.start();
    } catch (error) {
      await this.#cluster.stop();
      this.#cluster = undefined;
      throw error;
    }
  }

  /**
   * This node's part in the cluster, for a DistServer. Throws `failed_precondition` before it joined.
   *
   * @internal
   */
  get cluster(): Cluster<Data> {
    if (this.#cluster) return this.#cluster;
    throw new MeshError(
      "failed_precondition",
      "the hub has not joined its cluster: use serve() or listen() of an adapter",
    );
  }

  /**
   * Looks for claims of this node that the storage lost without a sign, and makes them again; says how many there were.
   *
   * A storage that was wiped whole is noticed by itself, and one that lost a part (a fail-over, an eviction) in time: each renewal of the lease
   * looks at the 32 newest claims and at 32 others in turn. This looks at all of them now, and costs a command for each 500
   * clients. Rejects with `unavailable` when the storage fails.
   */
  async audit(): Promise<number> {
    return await this.cluster.reclaim.missing();
  }

  /**
   * Who listens here on the topics that another node asks for, for a DistServer.
   *
   * @internal
   */
  presenceFeed(requests: AsyncIterable<PresenceRequest>, signal: AbortSignal): AsyncIterable<PresenceResponse> {
    const ended = AbortSignal.any([signal, this.cluster.stopped]);
    return presenceFeed(this.clients, requests, () => this.cluster.holder.life, ended);
  }

  /** Whether {@link DistHub.join} was called and did not fail. */
  get joined(): boolean {
    return this.#cluster !== undefined;
  }

  #dial(host: string, { transport }: JoinOptions): NodeTransport {
    if (this.#peers?.(host) !== false) return transport(host);
    throw new MeshError("unavailable", `${host} is not one of the hosts that may be dialled`);
  }

  #degraded(error: unknown): void {
    if (this.status !== "ready") return;
    this.setStatus("degraded");
    this.dispatch("degraded", { error });
  }

  #ready(): void {
    if (this.status !== "starting" && this.status !== "degraded") return;
    this.setStatus("ready");
    this.dispatch("ready", { status: "ready" });
  }

  // ---- ids ----

  /** @internal */
  protected override async claimId(id: string): Promise<Grant> {
    return await this.cluster.claims.claim(id);
  }

  /** @internal */
  protected override settled(grant: Grant): void {
    if (grant instanceof DistSession) this.cluster.claims.settle(grant);
  }

  /** @internal */
  protected override opened(connection: Connection<Data>, grant: Grant): Promise<void> | undefined {
    if (!(grant instanceof DistSession)) return undefined;
    this.cluster.reclaim.claimed(connection);
    const evicted = this.cluster.evictPrevious(connection.id, grant);
    if (!grant.lost) return evicted;
    return Promise.all([evicted, this.cluster.reclaim.one(connection)]).then(() => {});
  }

  /** @internal */
  protected override releaseId(id: string, claim: bigint): void {
    this.cluster.release(id, claim);
    // An upgrade that came to nothing had taken the id from a connection that still stands.
    const older = this.clients.get(id);
    if (older?.open && older.claim < claim) void this.cluster.reclaim.one(older);
  }

  // ---- leaving ----

  /** @internal */
  protected override async afterDrain(): Promise<void> {
    await this.#cluster?.stop();
  }
}
