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
import type { Limits } from "../base/limits.ts";
import { checkLogger, type Logger } from "../base/log/logger.ts";
import type { NodeTransport } from "../link/node-transport.ts";
import type { Secret } from "../rpc/token.ts";
import { checkStorage, type Storage } from "../storage/storage.ts";

/** Options of both kinds of `DistClient`. */
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
  /** The secret of the cluster, from which a short-lived token is made when one is needed. Give this or a `token`. */
  secret?: Secret | undefined;
  /** A token for the audience `"cluster"`, or a function that returns one for each call. A fixed token ends after its time. */
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

/** How a `DistClient` reaches the cluster. */
export type DistClientOptions = DistClientThroughNodeOptions | DistClientDirectOptions;

const COMMON: OptionTable<DistClientCommonOptions> = {
  limits: checkPlain,
  logger: (_, value) => checkLogger(value),
  fetch: checkCallback,
};

const THROUGH_NODE: OptionTable<DistClientThroughNodeOptions> = {
  ...COMMON,
  url: defined(anything),
  secret: defined(anything),
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

/** Throws a TypeError (`invalid_argument`) for options that are neither those of a URL nor those of a storage. */
export function checkDistClientOptions(options: DistClientOptions): void {
  checkPlain("options", options);
  if (!("url" in options)) {
    if (!("storage" in options)) throw invalidArgument("a DistClient needs the url of a node, or a storage");
    checkOptions<DistClientDirectOptions>("options", options, DIRECT);
    return checkStorage(options.storage);
  }
  if ("storage" in options) throw invalidArgument("a DistClient takes either a url or a storage, not both");
  checkOptions<DistClientThroughNodeOptions>("options", options, THROUGH_NODE);
  if (options.secret !== undefined && options.token !== undefined) {
    throw invalidArgument("a DistClient takes either a secret or a token, not both");
  }
}

/** The URL of a node, without a slash at its end. Throws a TypeError (`invalid_argument`) for one that cannot lead to a node. */
export function checkUrl(url: unknown): string {
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.search || parsed.hash) {
    throw invalidArgument("url is an http or https URL without user, query or hash, such as http://10.0.0.5:8081");
  }
  return parsed.href.replace(/\/$/, "");
}
