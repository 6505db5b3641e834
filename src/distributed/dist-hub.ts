import type { JoinOptions } from "../cluster/join-options.ts";
import { ClusterNode } from "./cluster-node.ts";
import type { DistHubOptions } from "./dist-hub-options.ts";
import { Hub } from "../hub/hub.ts";
import type { Secret } from "../rpc/token.ts";
import { type Holder, missingStorage, type Storage } from "../storage/storage.ts";

/**
 * The parts behind a hub, for the code that serves it.
 *
 * @internal
 */
export let clusterNode: <Data>(hub: DistHub<Data>) => ClusterNode<Data>;

/**
 * A {@link Hub} that is one node of a cluster: the same verbs, reaching the clients of every node.
 *
 * It takes clients once it has joined, which `serve` and `listen` of an adapter do for it.
 * Beside the errors of a Hub its verbs reject with `unavailable` (nothing was sent), `deadline_exceeded` or `unknown`
 * (the message may have arrived), and `failed_precondition` before it joined.
 *
 * ```ts
 * import { DistHub } from "meshsocket";
 * import { serve } from "meshsocket/node";
 * import { RedisStorage } from "meshsocket/redis";
 *
 * const hub = new DistHub({ storage: new RedisStorage("redis://127.0.0.1:6379"), secret });
 * await serve(hub, { port: 8080, rpc: { port: 8081 }, session: () => ({ id: "alice" }) });
 * await hub.emit("bob", "hi"); // on whatever node bob is
 * ```
 */
export class DistHub<Data = unknown> extends Hub<Data> {
  readonly storage: Storage;
  readonly leaseMs: number;
  readonly #node: ClusterNode<Data>;

  /** Throws a TypeError (`invalid_argument`) for bad options. */
  constructor(options: DistHubOptions) {
    if (options === undefined) throw missingStorage("options must be a plain object with a storage, not undefined");
    const node = new ClusterNode<Data>(options);
    super(options, node);
    this.#node = node;
    this.storage = options.storage;
    this.leaseMs = node.leaseMs;
    this.onClose(() => node.closeHistory());
  }

  static {
    clusterNode = (hub) => hub.#node;
  }

  /** Whether the hub has a secret. Without one, only this machine may reach its RPC port. */
  get hasSecret(): boolean {
    return this.#node.secrets.required;
  }

  /**
   * Whether the hub has API keys.
   *
   * @internal
   */
  get hasApiKeys(): boolean {
    return this.#node.secrets.hasApiKeys;
  }

  /**
   * Changes the secrets while the node runs; nothing is cut. The first mints from now on, all are accepted.
   *
   * To rotate: give every node `[old, new]`, then every node `[new, old]`, then every node `new`.
   * Throws a TypeError (`invalid_argument`) for an empty secret and a MeshError (`failed_precondition`) if the hub was
   * made without one.
   */
  setSecret(secret: Secret): void {
    this.#node.secrets.rotate(secret);
  }

  /** This node's life in the cluster; undefined before it joined. */
  get holder(): Holder | undefined {
    return this.#node.joined?.holder;
  }

  /** The living nodes of the cluster, this one included. Throws `failed_precondition` before it joined. */
  nodes(): Holder[] {
    const { cluster } = this.#node;
    return [cluster.holder, ...cluster.neighbours.nodes()];
  }

  /** Whether {@link DistHub.join} was called and did not fail. */
  get joined(): boolean {
    return this.#node.joined !== undefined;
  }

  /**
   * Makes this hub a node of the cluster; its RPC must be answered at `host` already. Adapters call it.
   *
   * Rejects with `unavailable` if the storage cannot be reached, and with `failed_precondition` if the hub has joined
   * before, or is closed.
   */
  async join(options: JoinOptions): Promise<void> {
    await this.#node.join(options);
  }

  /**
   * Looks for claims of this node that the storage lost without a sign, and makes them again; resolves with their number.
   *
   * The node notices by itself that its storage was wiped whole. It notices in time that the storage lost a part (a
   * fail-over, an eviction): each renewal of the lease looks at the 32 newest claims and at 32 others in turn. This call
   * looks at all of them now, and costs a command for each 500 clients. Rejects with `unavailable` if the storage fails.
   */
  async audit(): Promise<number> {
    return await this.#node.cluster.neighbours.reclaim.missing();
  }
}
