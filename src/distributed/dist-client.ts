import { Calls } from "../send/calls.ts";
import { ServiceVerbs } from "./cluster-service.ts";
import { DirectVerbs } from "./direct-verbs.ts";
import {
  anything,
  checkCallback,
  checkFlag,
  checkFunction,
  checkOptions,
  checkPlain,
  defined,
  type OptionTable,
} from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import type { Fetch } from "../rpc/fetch.ts";
import { type Limits, mergeLimits } from "../base/limits.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import { LimitedLogger } from "../base/log/limited-logger.ts";
import { checkLogger, chosenLogger, type Logger } from "../base/log/logger.ts";
import { Sender } from "../send/sender.ts";
import { checkStorage, type Storage } from "../storage/storage.ts";
import type { Secret } from "../rpc/token.ts";
import type { SendOptions, Verbs } from "../send/verbs.ts";

/** Options of both kinds of {@link DistClient}. */
export interface DistClientCommonOptions {
  /** Overrides of single limits. */
  limits?: Partial<Limits>;
  /** The log. Default: errors to the console, nothing else. */
  logger?: Logger;
  /** The fetch to use. Default: the global one. */
  fetch?: Fetch;
}

/** A client that goes through one node, whichever the URL leads to. */
export interface DistClientThroughNodeOptions extends DistClientCommonOptions {
  /** `http://host:port` or `https://…` of a node's RPC port, of a public port with `publicRpc`, or of a balancer before them. */
  url: string;
  /** A token for the audience `"cluster"`, or what gets one for each call. Needed when the nodes have a secret. */
  token?: string | (() => string | Promise<string>) | undefined;
}

/** A client that finds the owner of an id in the storage and calls it. */
export interface DistClientDirectOptions extends DistClientCommonOptions {
  /** The storage of the cluster. */
  storage: Storage;
  /** The secret of the cluster. */
  secret?: Secret | undefined;
  /** Dials the nodes with https. Default false. */
  tls?: boolean;
  /** Makes the transport to a node. Default: one over fetch. */
  transport?: (host: string) => NodeTransport;
}

/** How a {@link DistClient} reaches the cluster. */
export type DistClientOptions = DistClientThroughNodeOptions | DistClientDirectOptions;

/**
 * The verbs of a {@link DistClient}.
 *
 * @internal
 */
export interface ClientVerbs extends Verbs {
  nodes(options: SendOptions): Promise<string[]>;
  close(): void;
}

/**
 * Sends to the clients of a cluster from anywhere, and holds no connections itself.
 *
 * It needs nothing but `fetch`, so that it runs in an edge function or a job: through any one node
 * (`{ url, token }`), or straight to the owner of each id (`{ storage, secret }`) where the nodes can be dialled.
 * Calls to one id that are not awaited may overtake each other through a node; straight to the owner they keep their order.
 *
 * ```ts
 * import { createToken, DistClient } from "meshsocket";
 *
 * const cluster = new DistClient({
 *   url: "https://rpc.example.com",
 *   token: () => createToken({ secret, audience: "cluster" }),
 * });
 * await cluster.emit("alice", "your order shipped"); // true if her socket took it
 * ```
 */
export class DistClient extends Sender implements Disposable {
  readonly #verbs: ClientVerbs;
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
    return this.#calls.run(options, (checked) => this.#verbs.nodes(checked));
  }

  /** Gives up the calls that are under way. A client that was only used and forgotten holds nothing open. */
  close(): void {
    this.#verbs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const COMMON: OptionTable<DistClientCommonOptions> = {
  limits: checkPlain,
  logger: (_, value) => checkLogger(value),
  fetch: checkCallback,
};

const THROUGH_NODE: OptionTable<DistClientThroughNodeOptions> = {
  ...COMMON,
  url: defined(anything),
  token: defined((name, value) => {
    if (typeof value !== "string") checkFunction(name, value);
  }),
};

const DIRECT: OptionTable<DistClientDirectOptions> = {
  ...COMMON,
  storage: defined(anything),
  secret: defined(anything),
  tls: checkFlag,
  transport: checkCallback,
};

function checkDistClientOptions(options: DistClientOptions): void {
  checkPlain("options", options);
  if (!("url" in options)) {
    if (!("storage" in options)) throw invalidArgument("a DistClient needs the url of a node, or a storage");
    checkOptions<DistClientDirectOptions>("options", options, DIRECT);
    return checkStorage(options.storage);
  }
  if ("storage" in options) throw invalidArgument("a DistClient takes either a url or a storage, not both");
  checkOptions<DistClientThroughNodeOptions>("options", options, THROUGH_NODE);
}
