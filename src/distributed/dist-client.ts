import { about } from "../base/log/about.ts";
import { Counters } from "../base/counters/counters.ts";
import { Traces } from "../base/trace/tracing.ts";
import { Calls } from "../send/calls.ts";
import {
  checkDistClientOptions,
  checkUrl,
  type DistClientDirectOptions,
  type DistClientOptions,
  type DistClientThroughNodeOptions,
} from "./client-options.ts";
import type { ClusterVerbs, OpenWatch } from "./client/cluster-verbs.ts";
import { LateVerbs } from "./client/late-verbs.ts";
import { type Limits, mergeLimits } from "../base/limits.ts";
import { LimitedLogger } from "../base/log/limited-logger.ts";
import { chosenLogger, type Logger } from "../base/log/logger.ts";
import { checkName, checkOptions } from "../base/check/check.ts";
import { checkTopic } from "../base/check/topic.ts";
import { watchThroughNode } from "./client/watch-through-node.ts";
import { type PresenceWatch, WATCH_OPTIONS, type WatchOptions } from "../hub/presence-watch.ts";
import { Sender } from "../send/sender.ts";
import { User } from "../send/user.ts";
import type { SendOptions } from "../send/verbs.ts";
import { tokenOf } from "./client/get-token.ts";
import { TokenMint } from "../rpc/token.ts";

/**
 * Sends to the clients of a cluster from anywhere, and holds no connections itself.
 *
 * It needs nothing but `fetch`, so that it runs in an edge function or a job: through any one node
 * (`{ url, token }`), or straight to the owner of each id (`{ storage, secret }`) where the nodes can be dialled.
 * Calls to one id that are not awaited may overtake each other through a node; straight to the owner they keep their order.
 *
 * ```ts
 * import { DistClient } from "meshsocket";
 *
 * const cluster = new DistClient({ url: "https://rpc.example.com", secret: process.env.MESHSOCKET_SECRET });
 * await cluster.emit("alice", "your order shipped"); // true if her socket took it
 * ```
 */
export class DistClient extends Sender implements Disposable {
  readonly #verbs: ClusterVerbs;
  readonly #calls: Calls;
  readonly #logger: Logger;
  readonly #closed = new AbortController();

  /** Throws a TypeError (`invalid_argument`) if neither `url` nor `storage` is given, or if the URL is not one. */
  constructor(options: DistClientOptions) {
    checkDistClientOptions(options);
    const limits = mergeLimits(options.limits);
    const logger = new LimitedLogger(chosenLogger(options.logger));
    const traces = new Traces();
    const load = "url" in options ? throughNode(options, limits, traces) : straight(options, limits, traces);
    const verbs = new LateVerbs(load);
    const calls = new Calls(
      (error) => logger.warn("meshsocket: a call failed", error, about("call_failed")),
      new Counters(),
      traces,
    );
    super(limits, verbs, calls);
    this.#verbs = verbs;
    this.#calls = calls;
    this.#logger = logger;
  }

  /**
   * The clients of a user, on every node: the same as `hub.user(name)`. Throws a TypeError (`invalid_argument`) for a name that
   * cannot be one.
   *
   * ```ts
   * await cluster.user("alice").emit("your order shipped"); // to all her tabs and devices
   * ```
   */
  user(name: string): User {
    checkName("user", name, this.limits.maxIdBytes);
    return new User(name, { limits: this.limits, verbs: this.#verbs.user, calls: this.#calls });
  }

  /**
   * Watches the members of a topic, over all nodes, as that of a hub does, through one node. If that one cannot be reached the
   * watch goes on when it can, or with another, and tells the difference. Its `ready` rejects, and it ends, if the node refuses it.
   * It also ends with the client.
   *
   * ```ts
   * for await (const { type, id, info } of cluster.watchPresence("room:1")) console.log(type, id, info);
   * ```
   */
  watchPresence(topic: string, options: WatchOptions = {}): PresenceWatch {
    checkTopic(topic, this.limits.maxTopicBytes);
    checkOptions<WatchOptions>("options", options, WATCH_OPTIONS);
    const signals = [this.#closed.signal, ...(options.signal ? [options.signal] : [])];
    const open: OpenWatch = (signal) => this.#verbs.watchPresence(topic, signal);
    return watchThroughNode(open, { ...options, signal: AbortSignal.any(signals) }, this.#logger);
  }

  /** The hosts of the living nodes. */
  nodes(options?: SendOptions): Promise<string[]> {
    return this.#calls.run("nodes", options, (checked) => this.#verbs.nodes(checked));
  }

  /** Gives up the calls that are under way, and ends the watches. A client that was only used and forgotten holds nothing open. */
  close(): void {
    this.#closed.abort();
    this.#verbs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Loads the verbs of a client by URL, whose options are checked at once. */
function throughNode(
  options: DistClientThroughNodeOptions,
  limits: Readonly<Limits>,
  traces: Traces,
): () => Promise<ClusterVerbs> {
  checkUrl(options.url);
  const getToken = tokenOf(options);
  return async () => {
    const { ServiceVerbs } = await import("./client/service-verbs.ts");
    return ServiceVerbs.at(options, getToken, limits, traces);
  };
}

/** Loads the verbs of a client with a storage, whose options are checked at once. */
function straight(
  options: DistClientDirectOptions,
  limits: Readonly<Limits>,
  traces: Traces,
): () => Promise<ClusterVerbs> {
  const tokens = options.secret === undefined ? undefined : new TokenMint({ secret: options.secret });
  return async () => {
    const { DirectVerbs } = await import("./client/direct-verbs.ts");
    return new DirectVerbs(options, tokens, limits, traces);
  };
}
