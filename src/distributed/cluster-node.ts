import type { Cluster } from "../cluster/cluster.ts";
import type { JoinOptions } from "../cluster/join-options.ts";
import { ClusterRegistry, type JoinedNode } from "../cluster/registry.ts";
import { DEFAULT_LEASE_MS, DIST_HUB_OPTIONS, type DistHubOptions } from "./dist-hub-options.ts";
import { DistVerbs, type VerbsNode } from "./dist-verbs.ts";
import { kindOf } from "../base/check/check.ts";
import { invalidArgument, MeshError } from "../base/error.ts";
import type { HistorySource, HistoryStore } from "../history/history.ts";
import { FlightRecorder } from "../watch/flight-recorder.ts";
import { Taps } from "../watch/taps.ts";
import { recordEvents } from "../watch/record-events.ts";
import { HubNode } from "../hub/node.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import { Secrets } from "./secrets.ts";
import { CountedStorage } from "../storage/counted.ts";
import { checkStorage, type Storage } from "../storage/storage.ts";

/** The parts of one node of a cluster. A {@link DistHub} is their face to the application. */
export class ClusterNode<Data> extends HubNode<Data> implements JoinedNode<Data>, VerbsNode<Data> {
  readonly storage: Storage;
  readonly secrets: Secrets;
  readonly leaseMs: number;
  override readonly recorder: FlightRecorder;
  readonly taps: Taps<Data>;
  readonly #peers: ((host: string) => boolean) | undefined;
  #ownHistory: HistoryStore | undefined;
  #joined: Cluster<Data> | undefined;

  /** Throws a TypeError (`invalid_argument`) for bad options. */
  constructor(options: DistHubOptions) {
    super(options, "starting", DIST_HUB_OPTIONS);
    checkStorage(options.storage);
    this.recorder = new FlightRecorder(this.limits.maxRecords);
    this.taps = new Taps<Data>(this);
    recordEvents(this.state.events, this.recorder);
    this.storage = new CountedStorage(options.storage, this.counters);
    if (this.kept.any) this.kept.store ??= this.#sharedHistory(options.storage);
    if (options.history?.local === true && options.storage.local !== true) throw notShared(options);
    this.secrets = new Secrets(options.secret, options.apiKeys ?? [], this.logger);
    this.leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
    this.#peers = options.peers;
    this.registry = new ClusterRegistry<Data>(this);
    this.verbs = new DistVerbs<Data>(this);
  }

  /** The history that all nodes share because they share their storage. */
  #sharedHistory(storage: Storage & Partial<HistorySource>): HistoryStore {
    if (typeof storage.history !== "function") {
      throw invalidArgument(
        `topics have a history, which this storage cannot keep: ${ADVICE}`,
      );
    }
    return this.#ownHistory = storage.history();
  }

  /** Closes the history if it is this node's own. */
  async closeHistory(): Promise<void> {
    await this.#ownHistory?.close();
  }

  get joined(): Cluster<Data> | undefined {
    return this.#joined;
  }

  get cluster(): Cluster<Data> {
    if (this.#joined) return this.#joined;
    throw new MeshError(
      "failed_precondition",
      "the hub has not joined its cluster: use serve() or listen() of an adapter",
    );
  }

  /** See {@link DistHub.join}. */
  async join(options: JoinOptions): Promise<void> {
    // Loaded here: the code of a cluster brings Connect and Protobuf, which a hub that is not yet served can do without.
    const { Cluster } = await import("../cluster/cluster.ts");
    const histories = this.kept.any ? await this.kept.load() : undefined;
    if (this.#joined) throw new MeshError("failed_precondition", "the hub has joined already: make another one");
    if (this.state.status !== "starting") {
      throw new MeshError("failed_precondition", "the hub is closed: make another one");
    }
    this.logger.host = options.host;
    const cluster = new Cluster<Data>(this, { ...options, transport: (host) => this.#dial(host, options) });
    if (histories) histories.remote = cluster.remote;
    this.#joined = cluster;
    this.subscriptions.interest = cluster.topics.interest;
    this.presences.remote = cluster.topics.presence;
    try {
      await cluster.start();
    } catch (error) {
      await cluster.stop();
      this.#joined = undefined;
      throw error;
    }
  }

  #dial(host: string, { host: own, transport }: JoinOptions): NodeTransport {
    if (host === own || this.#peers?.(host) !== false) return transport(host);
    throw new MeshError("unavailable", `${host} is not one of the hosts that may be dialled`);
  }
}

function notShared({ history, storage }: Pick<DistHubOptions, "history" | "storage">): TypeError {
  const found = `history is ${kindOf(history)}, and the storage ${kindOf(storage)}`;
  return invalidArgument(`${found}: other nodes would not see what this one keeps: ${ADVICE}`);
}

const ADVICE =
  'give one that all nodes share, such as history: new RedisHistory("redis://127.0.0.1:6379") of meshsocket/redis';
