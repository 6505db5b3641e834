import { checkBytes, checkMs, checkOptions, checkPlain, oneOf, type OptionTable } from "../base/check/check.ts";
import type { Limits } from "../base/limits.ts";
import { checkLogger } from "../base/log/logger.ts";
import type { ResumeOptions } from "../client/resume/resume.ts";
import { type CompressOptions, compressOptions } from "../send/compression.ts";
import type { GateOptions } from "../door/gate.ts";
import { checkHistoryStore, type HistoryStore } from "../history/history.ts";
import { checkTopics, type TopicOptions } from "./topics/topic-options.ts";
import { checkOrigins, type Origins } from "../door/origin.ts";
import { checkTrustProxy, type TrustProxy } from "../door/proxy.ts";

/** How a {@link Hub} behaves; every field has a default. */
export interface HubOptions extends GateOptions {
  /** Overrides of single {@link Limits}. */
  limits?: Partial<Limits>;
  /**
   * Which of two clients with one id stays: `"newest"` (default: the older is closed with 4409) or `"oldest"` (the newer
   * is refused with 409).
   */
  duplicateIds?: "newest" | "oldest";
  /** The fate of a client that reads too slowly: `"close"` (default: with 4008, so that it can come back and catch up) or `"drop"` (it stays and misses messages). Either way the sender is told. */
  slowConsumer?: "close" | "drop";
  /**
   * The fate of a client whose handler threw or rejected: `"close"` (default: with 1011, after which it should come
   * back) or `"report"` (it stays). Either way `onError` is called, or the error is logged if the session has none; an
   * `onError` that returns one of the two words decides for that error.
   */
  handlerError?: "close" | "report";
  /** How clients that speak `meshsocket.v1` are waited for when their connection drops. */
  resume?: Partial<ResumeOptions>;
  /**
   * Compresses messages for the clients that ask for it in their handshake, as browsers do: once for all clients that get a
   * message. `true`: those of 1,024 bytes to 262,144. Default: no message is compressed, and none is taken. On Node and Deno,
   * by `serve` and `attach`; Bun and `Deno.upgradeWebSocket` do not compress.
   */
  compress?: boolean | Partial<CompressOptions>;
  /**
   * Settings of topics by their names, such as `[{ match: "room:*", history: { messages: 100 } }]`. The first entry that matches a topic holds.
   * All nodes of a cluster must have the same.
   */
  topics?: readonly TopicOptions[];
  /**
   * Keeps the messages of the topics with history. Default: a MemoryHistory, on a DistHub a store in the same place as its storage.
   * All nodes of a cluster must share it. It is not closed with the hub.
   */
  history?: HistoryStore;
}

/** The defaults of {@link ResumeOptions}. */
export const DEFAULT_RESUME: ResumeOptions = { windowMs: 30_000, maxBytes: 262_144 };

/** The options with their defaults. Throws a TypeError (`invalid_argument`) for bad ones. */
export function resumeOptions(options: Partial<ResumeOptions> = {}): ResumeOptions {
  checkOptions<Partial<ResumeOptions>>("resume", options, RESUME_OPTIONS, "resume.");
  const { windowMs = DEFAULT_RESUME.windowMs, maxBytes = DEFAULT_RESUME.maxBytes } = options;
  return { windowMs, maxBytes };
}

const RESUME_OPTIONS: OptionTable<ResumeOptions> = {
  windowMs: (name, value) => checkMs(name, value, 0),
  maxBytes: checkBytes,
};

/** How {@link Hub.close} goes about it. */
export interface CloseOptions {
  /**
   * Milliseconds for which the hub still serves, and takes clients, while its status is `"draining"` and its health says
   * not ready: the time that a load balancer needs to notice. Default 0.
   */
  announceMs?: number;
  /**
   * Spreads the closing of the clients over this many milliseconds. Default 0: all at once. Clients of `meshsocket.v1` are waited for
   * until they came back on other nodes, as long as one did within `limits.timeoutMs`; the other nodes take over those that are away.
   * Calls that have begun get as long to end, and at least `limits.timeoutMs`.
   */
  drainMs?: number;
}

/** The options of a Hub. */
export const HUB_OPTIONS: OptionTable<HubOptions> = {
  limits: checkPlain,
  origins: (_, value) => checkOrigins(value as Origins),
  trustProxy: (_, value) => checkTrustProxy(value as TrustProxy),
  logger: (_, value) => checkLogger(value),
  duplicateIds: oneOf("newest", "oldest"),
  slowConsumer: oneOf("close", "drop"),
  handlerError: oneOf("close", "report"),
  // Checked where it is read.
  resume: checkPlain,
  compress: (name, value) => void compressOptions(name, value as HubOptions["compress"]),
  topics: checkTopics,
  history: (_, value) => checkHistoryStore(value),
};

/** Throws a TypeError (`invalid_argument`) for options that are not in the table, or whose values are wrong. */
export function checkHubOptions(options: unknown, table: OptionTable<HubOptions>): asserts options is HubOptions {
  checkOptions<HubOptions>("options", options, table);
}

const CLOSE_OPTIONS: OptionTable<CloseOptions> = {
  announceMs: (name, value) => checkMs(name, value, 0),
  drainMs: (name, value) => checkMs(name, value, 0),
};

/** Throws a TypeError (`invalid_argument`) unless a hub can be closed so. */
export function checkCloseOptions(options: unknown): asserts options is CloseOptions {
  checkOptions<CloseOptions>("options", options, CLOSE_OPTIONS);
}
