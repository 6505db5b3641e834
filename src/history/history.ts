/**
 * HISTORY SEAM: the recent messages of topics.
 *
 * This folder holds the seam, a store in memory (`memory.ts`) and one in Redis (`redis.ts`, the scripts in `scripts.ts`).
 * A message of a topic with history is appended first and then delivered with its offset. A listener that missed messages reads
 * them from its position. Live delivery never passes through a store.
 */
import { checkObject } from "../base/check/check.ts";
import type { Position } from "../send/position.ts";
import type { From, HistoryPage, KeptMessage } from "../send/verbs.ts";

export type { From, HistoryPage, KeptMessage, Position };

/** How much of a topic is kept. A message goes as soon as one of the three is exceeded. */
export interface HistoryWindow {
  /** Messages, 1 to 1,000,000. */
  readonly messages: number;
  /** Milliseconds since the message was appended. */
  readonly ms: number;
  /** Bytes of the messages: UTF-8 of a text. A longer message is appended and not kept. */
  readonly bytes: number;
}

/** One message to append. */
export interface NewMessage {
  readonly data: string | Uint8Array;
  /** A message whose key was appended a short time ago is not appended again. 1 to 128 characters. */
  readonly key?: string | undefined;
}

/** The outcome of one message. */
export interface Appended {
  /** The offset of the message; of the earlier one if this repeats it. */
  readonly offset: number;
  /** Whether its key was appended before, so that nothing was appended now. */
  readonly repeated: boolean;
}

/** The outcome of one call. */
export interface AppendResult {
  readonly epoch: string;
  /** One for each message, in their order. */
  readonly appended: readonly Appended[];
}

/** Which messages to read. */
export interface HistoryQuery extends HistoryCallOptions {
  /** After this position; or the newest so many; or those of the last milliseconds. Default: everything that is kept. */
  readonly from?: From | undefined;
  /** Not after this offset. */
  readonly to?: number | undefined;
  /** At most so many messages, 1 to {@link MAX_READ_MESSAGES}. Default {@link MAX_READ_MESSAGES}. */
  readonly limit?: number | undefined;
  /** Newest first. */
  readonly reverse?: boolean | undefined;
}

/** How a call is made. Every store has a time limit of its own besides. */
export interface HistoryCallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The most messages that one call appends. */
export const MAX_APPEND_MESSAGES = 1_000;
/** The most bytes that one call appends, unless it is one message. */
export const MAX_APPEND_BYTES = 2_097_152;
/** The most messages that one call reads. */
export const MAX_READ_MESSAGES = 1_000;
/** Bytes after which a page ends. It holds one message at least. */
export const MAX_READ_BYTES = 1_048_576;
/** How many keys of a topic are remembered, and for how many milliseconds since the topic's last keyed message. */
export const MAX_KEYS = 1_024;
export const KEYS_MS = 300_000;
/** Milliseconds that a topic's epoch and end outlive its last message or look-up, by default: 7 days. */
export const DEFAULT_META_MS = 604_800_000;

/**
 * The recent messages of topics, shared by the nodes of a cluster.
 *
 * Every implementation MUST keep the following, and `test/contract/history.ts` proves it:
 *
 * - The messages of a topic have one order for everybody. Each gets the offset after the one before; none is left out. The messages of one
 *   call are appended in their order, all or none.
 * - An append that resolved is read by every read that begins later, until the window drops it. An append that rejected with `unavailable`
 *   MUST NOT be read, now or later. If that cannot be known it rejects with `unknown`.
 * - Messages over the window MUST NOT be read: the window of the latest append holds, exactly.
 * - `recovered` MUST be true only if it is proved: same epoch, and every offset after the position is in the pages or still to come.
 * - Within an epoch an offset names one message forever. A store that may have lost a message MUST begin another epoch before it gives
 *   an offset again: after a wipe, a failover and a restart. Positions come from clients: no position, however wrong, changes anything.
 * - The epoch and the end of a topic outlive its messages, and exist from the first look-up on. So a position taken from
 *   an empty topic is recovered later.
 * - Topics are any well-formed strings; no two topics, and no two prefixes, may share a message.
 * - Failures reject with a MeshError: `unavailable` (nothing was done), `unknown` (an append may have been done), `canceled`; bad
 *   arguments with `invalid_argument`.
 */
export interface HistoryStore {
  /** Whether this process alone has it. A cluster whose storage is shared refuses it. */
  readonly local?: boolean;

  /** Appends messages to a topic, in one command, and drops what is over the window. */
  append(
    topic: string,
    messages: readonly NewMessage[],
    window: HistoryWindow,
    options?: HistoryCallOptions,
  ): Promise<AppendResult>;

  /** Reads a page of a topic, in one command. */
  read(topic: string, query?: HistoryQuery): Promise<HistoryPage>;

  /** The end of a topic: "load the state, then read from here". */
  position(topic: string, options?: HistoryCallOptions): Promise<Position>;

  /** Forgets a topic: its messages, keys, end and epoch. */
  clear(topic: string, options?: HistoryCallOptions): Promise<void>;

  /** Releases what the implementation itself holds open. The messages stay. */
  close(): Promise<void>;
}

/** A storage that can keep the history of topics as well. */
export interface HistorySource {
  /** A store that all nodes of the cluster share. The caller closes it. */
  history(): HistoryStore;
}

const METHODS: Readonly<Record<Exclude<keyof HistoryStore, "local">, true>> = {
  append: true,
  read: true,
  position: true,
  clear: true,
  close: true,
};

/** Throws a TypeError (`invalid_argument`) unless it has the methods of a {@link HistoryStore}. */
export function checkHistoryStore(store: unknown): asserts store is HistoryStore {
  checkObject("history", store, Object.keys(METHODS));
}
