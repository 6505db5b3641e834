import { Calls } from "../send/calls.ts";
import { checkDistClientOptions, type DistClientOptions } from "./client-options.ts";
import { DirectVerbs } from "./direct-verbs.ts";
import { mergeLimits } from "../base/limits.ts";
import { LimitedLogger } from "../base/log/limited-logger.ts";
import { chosenLogger } from "../base/log/logger.ts";
import { Sender } from "../send/sender.ts";
import type { SendOptions } from "../send/verbs.ts";
import { ServiceVerbs } from "./cluster-service.ts";

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
  readonly #verbs: ServiceVerbs | DirectVerbs;
  readonly #calls: Calls;

  /** Throws a TypeError (`invalid_argument`) if neither `url` nor `storage` is given, or if the URL is not one. */
  constructor(options: DistClientOptions) {
    checkDistClientOptions(options);
    const limits = mergeLimits(options.limits);
    const logger = new LimitedLogger(chosenLogger(options.logger));
    const verbs = "url" in options ? new ServiceVerbs(options, limits) : new DirectVerbs(options, limits);
    const calls = new Calls((error) => logger.warn("meshsocket: a call failed", error));
    super(limits, verbs, calls);
    this.#verbs = verbs;
    this.#calls = calls;
  }

  /** The hosts of the living nodes. */
  nodes(options?: SendOptions): Promise<string[]> {
    return this.#calls.run("nodes", options, (checked) => this.#verbs.nodes(checked));
  }

  /** Gives up the calls that are under way. A client that was only used and forgotten holds nothing open. */
  close(): void {
    this.#verbs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
