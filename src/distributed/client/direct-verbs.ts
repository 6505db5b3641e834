import { createClient, type Transport } from "@connectrpc/connect";
import type { DistClientDirectOptions } from "../client-options.ts";
import { unlessAborted } from "../../base/abort.ts";
import type { Traces } from "../../base/trace/tracing.ts";
import { bearer } from "../../rpc/bearer.ts";
import { BoundedMap } from "../../base/bounded-map.ts";
import { isOwnTopic } from "../../base/check/topic.ts";
import { errorCode, MeshError } from "../../base/error.ts";
import { keepsNone } from "../../hub/history/kept-topics.ts";
import type { Frame } from "../../send/frame.ts";
import type { Position } from "../../send/position.ts";
import type { ClusterVerbs, PresenceStep } from "./cluster-verbs.ts";
import { presenceSteps } from "./presence-steps.ts";
import { ServiceVerbs } from "./service-verbs.ts";
import { Cluster } from "../../gen/meshsocket/v1/cluster_pb.ts";
import { createFetchTransport } from "../../rpc/fetch-transport.ts";
import { type Limits, rpcBytes } from "../../base/limits.ts";
import { Links } from "../../link/links.ts";
import type { NodeTransport } from "../../link/node-transport.ts";
import { Router } from "../../cluster/router.ts";
import type { Holder, Storage } from "../../storage/storage.ts";
import { CLUSTER_AUDIENCE, type TokenMint } from "../../rpc/token.ts";
import type { Destinations } from "../../cluster/topics/destinations.ts";
import { RemoteVerbs } from "../../cluster/verbs.ts";
import type {
  Delivery,
  Except,
  HistoryPage,
  HistoryReadOptions,
  SendOptions,
  SendToTopicOptions,
} from "../../send/verbs.ts";
import { TopicUserVerbs, type UserVerbs } from "../../send/user-verbs.ts";

/**
 * The verbs straight to the owners, found in the storage: those of a node without clients, which caches no topics.
 *
 * The history of topics is known to the nodes alone, so that a publish to a topic that keeps one goes through any of them.
 */
export class DirectVerbs extends RemoteVerbs implements ClusterVerbs {
  readonly #storage: Storage;
  readonly #links: Links;
  readonly #tokens: TokenMint | undefined;
  readonly #traces: Traces;
  readonly #transport: (host: string) => NodeTransport;
  readonly user: UserVerbs;
  readonly #limits: Readonly<Limits>;
  /** By topic, whether it keeps history. */
  readonly #kept: BoundedMap<string, Promise<boolean>>;
  /** Through the node that answered last. */
  #node: ServiceVerbs | undefined;

  /** `tokens` mints for the nodes, if they have a secret. */
  constructor(
    options: DistClientDirectOptions,
    tokens: TokenMint | undefined,
    limits: Readonly<Limits>,
    traces: Traces,
  ) {
    const { storage } = options;
    const transport = options.transport ?? fetchTransports(options, limits);
    const links = new Links({ limits, tokens, transport, lines: "unary" });
    const router = new Router({ storage, maxRoutes: limits.maxRoutes, links });
    super({ links, router, nodes: new StorageNodes(storage), timeoutMs: limits.timeoutMs, traces });
    this.#storage = storage;
    this.#links = links;
    this.#tokens = tokens;
    this.#traces = traces;
    this.#transport = transport;
    this.user = new TopicUserVerbs(this, limits.timeoutMs);
    this.#limits = limits;
    this.#kept = new BoundedMap(limits.maxRoutes);
  }

  /** A topic is asked for once: whether it keeps history, which all nodes know. */
  override async publish(topic: string, frame: Frame, except: Except, options: SendToTopicOptions): Promise<Delivery> {
    if (isOwnTopic(topic) || !(await this.#keeps(topic, options))) {
      if (options.key !== undefined) keepsNone(topic);
      return await super.publish(topic, frame, except, options);
    }
    return await this.#through((verbs) => verbs.publish(topic, frame, except, options));
  }

  history(topic: string, options: HistoryReadOptions): Promise<HistoryPage> {
    return this.#through((verbs) => verbs.history(topic, options));
  }

  position(topic: string, options: SendOptions): Promise<Position> {
    return this.#through((verbs) => verbs.position(topic, options));
  }

  #keeps(topic: string, options: SendOptions): Promise<boolean> {
    const known = this.#kept.get(topic);
    if (known) return known;
    const asked = this.#ask(topic, options);
    this.#kept.set(topic, asked);
    asked.catch(() => {
      if (this.#kept.get(topic) === asked) this.#kept.delete(topic);
    });
    return asked;
  }

  /** Asks node after node, of which one may have died. Without any node there is nobody to keep a history. */
  async #ask(topic: string, options: SendOptions): Promise<boolean> {
    const hosts = shuffled(await this.#storage.living()).map(({ host }) => host);
    const last = hosts.at(-1);
    for (const host of hosts) {
      try {
        await this.#verbsAt(host).position(topic, options);
        return true;
      } catch (error) {
        if (KEEPS_NONE.has(errorCode(error))) return false;
        if (errorCode(error) !== "unavailable" || host === last) throw error;
      }
    }
    return false;
  }

  /** Makes a call through a living node: the same as before, unless that failed. */
  async #through<Result>(call: (verbs: ServiceVerbs) => Promise<Result>): Promise<Result> {
    const verbs = (this.#node ??= await this.#anyNode());
    try {
      return await call(verbs);
    } catch (error) {
      if (this.#node === verbs && NODE_FAILURES.has(errorCode(error))) this.#node = undefined;
      throw error;
    }
  }

  async #anyNode(): Promise<ServiceVerbs> {
    const [node] = shuffled(await this.#storage.living());
    if (!node) throw new MeshError("unavailable", "no node of the cluster is alive");
    return this.#verbsAt(node.host);
  }

  #verbsAt(host: string): ServiceVerbs {
    const mint = this.#tokens;
    const token = mint && ((): Promise<string> => mint.token(CLUSTER_AUDIENCE));
    return new ServiceVerbs(this.#transport(host) as Transport, token, this.#limits, this.#traces);
  }

  async nodes({ signal }: SendOptions): Promise<string[]> {
    return (await unlessAborted(this.#storage.living(), signal)).map(({ host }) => host);
  }

  /** Through any one of the living nodes: it knows the others. */
  async *watchPresence(topic: string, signal: AbortSignal): AsyncIterable<PresenceStep> {
    const nodes = await unlessAborted(this.#storage.living(), signal);
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    if (!node) throw new MeshError("unavailable", "could not watch: no node lives");
    const tokens = this.#tokens;
    const transport = this.#transport(node.host) as Transport;
    const client = createClient(Cluster, tokens ? bearer(transport, () => tokens.token(node.host)) : transport);
    yield* presenceSteps(client.watchPresence({ topic }, { signal }), signal);
  }

  close(): void {
    this.#node?.close();
    this.#links.close();
  }
}

/** After these another node is asked. */
const NODE_FAILURES: ReadonlySet<unknown> = new Set(["unavailable", "deadline_exceeded", "unknown"]);

/** The answers of a node that keeps no history of a topic, or is too old to know of any. */
const KEEPS_NONE: ReadonlySet<unknown> = new Set(["failed_precondition", "unimplemented"]);

function shuffled<Item>(items: readonly Item[]): Item[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0] as Item);
}

/** The nodes as the storage has them, looked up for each call: a caller that is not a node hears of no changes. */
class StorageNodes implements Destinations {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  async all<Result>(use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result> {
    return await use(await this.#storage.living());
  }

  async ofTopic<Result>(topic: string, use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result> {
    return await use(await this.#storage.subscribers(topic));
  }

  notHere(): void {}

  noAnswer(): void {}
}

function fetchTransports(options: DistClientDirectOptions, limits: Readonly<Limits>): (host: string) => NodeTransport {
  const scheme = options.tls ? "https" : "http";
  return (host) =>
    createFetchTransport({
      baseUrl: `${scheme}://${host}`,
      ...rpcBytes(limits),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
}
