import { anything, checkFunction, checkMs, checkName, checkOptions, type OptionTable } from "../base/check/check.ts";
import { MeshError } from "../base/error.ts";
import { randomId } from "../base/random-id.ts";
import { checkAppend, checkQuery, messageBytes } from "./check.ts";
import {
  type Appended,
  type AppendResult,
  DEFAULT_META_MS,
  type HistoryCallOptions,
  type HistoryPage,
  type HistoryQuery,
  type HistoryStore,
  type HistoryWindow,
  type KeptMessage,
  KEYS_MS,
  MAX_KEYS,
  MAX_READ_BYTES,
  MAX_READ_MESSAGES,
  type NewMessage,
  type Position,
} from "./history.ts";

/** Options of a {@link MemoryHistory}. */
export interface MemoryHistoryOptions {
  /** Topics that are remembered. Over it the one unused for longest is forgotten, and its positions are not recovered. Default 100,000. */
  maxTopics?: number;
  /** Milliseconds that a topic's end outlives its last use. Default 7 days. */
  metaMs?: number;
  /** A clock in milliseconds since 1970; tests pass their own. */
  now?: () => number;
}

const OPTIONS: OptionTable<MemoryHistoryOptions> = { maxTopics: anything, metaMs: anything, now: checkFunction };

interface Topic {
  readonly epoch: string;
  /** The offset of the last message. */
  end: number;
  messages: KeptMessage[];
  /** The index of the first that is kept: those before it go a few at a time, so that none is moved often. */
  first: number;
  bytes: number;
  /** Of the latest append. */
  windowMs: number;
  readonly keys: Map<string, number>;
  keyedAtMs: number;
  usedAtMs: number;
}

/**
 * A {@link HistoryStore} in this process's memory: for one node, for tests, and to read the contract.
 *
 * Several hubs of one process share it. A restart begins other epochs.
 */
export class MemoryHistory implements HistoryStore {
  readonly local = true;
  readonly #maxTopics: number;
  readonly #metaMs: number;
  readonly #now: () => number;
  /** In the order of their last use. */
  readonly #topics = new Map<string, Topic>();
  #closed = false;

  constructor(options: MemoryHistoryOptions = {}) {
    checkOptions<MemoryHistoryOptions>("options", options, OPTIONS);
    const { maxTopics = 100_000, metaMs = DEFAULT_META_MS, now = Date.now } = options;
    checkMs("maxTopics", maxTopics, 1);
    checkMs("metaMs", metaMs, 1);
    this.#maxTopics = maxTopics;
    this.#metaMs = metaMs;
    this.#now = now;
  }

  async append(
    name: string,
    messages: readonly NewMessage[],
    window: HistoryWindow,
    options: HistoryCallOptions = {},
  ): Promise<AppendResult> {
    checkAppend(name, messages, window);
    const topic = this.#topic(name, options);
    topic.windowMs = window.ms;
    const appended = messages.map((message) => this.#appendOne(topic, message));
    trim(topic, window, this.#now());
    return { epoch: topic.epoch, appended };
  }

  async read(name: string, query: HistoryQuery = {}): Promise<HistoryPage> {
    checkQuery(name, query);
    const topic = this.#topic(name, query);
    dropOld(topic, this.#now());
    const { from, to = Infinity, reverse = false, limit = MAX_READ_MESSAGES } = query;
    const { offset, recovered } = this.#after(topic, from);
    const { messages, first } = topic;
    // Offsets grow by one.
    const start = Math.max(first, messages.length - (topic.end - offset));
    const count = Math.max(0, messages.length - start - Math.max(0, topic.end - to));
    const page = pageOf(count, (index) => messages[reverse ? start + count - 1 - index : start + index], limit);
    return { end: endOf(topic), messages: page, more: page.length < count, recovered };
  }

  async position(name: string, options: HistoryCallOptions = {}): Promise<Position> {
    checkName("topic", name, Infinity);
    return endOf(this.#topic(name, options));
  }

  async clear(name: string, options: HistoryCallOptions = {}): Promise<void> {
    checkName("topic", name, Infinity);
    this.#usable(options);
    this.#topics.delete(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** Forgets everything, as a store that was wiped does. For tests of what follows. */
  wipe(): void {
    this.#topics.clear();
  }

  /** The same history for a user that closes it for itself alone. */
  shared(): HistoryStore {
    return {
      append: (...args) => this.append(...args),
      read: (...args) => this.read(...args),
      position: (...args) => this.position(...args),
      clear: (...args) => this.clear(...args),
      close: () => Promise.resolve(),
    };
  }

  #usable({ signal }: HistoryCallOptions): void {
    if (this.#closed) throw new MeshError("failed_precondition", "this history is closed: make another one");
    if (signal?.aborted) throw new MeshError("canceled", "the caller gave up", { cause: signal.reason });
  }

  #topic(name: string, options: HistoryCallOptions): Topic {
    this.#usable(options);
    this.#sweep();
    const topic = this.#topics.get(name);
    if (topic === undefined) return this.#begin(name);
    topic.usedAtMs = this.#now();
    this.#topics.delete(name);
    this.#topics.set(name, topic);
    return topic;
  }

  #begin(name: string): Topic {
    const usedAtMs = this.#now();
    const topic: Topic = {
      epoch: randomId(),
      end: 0,
      messages: [],
      first: 0,
      bytes: 0,
      windowMs: 1,
      keys: new Map(),
      keyedAtMs: 0,
      usedAtMs,
    };
    this.#topics.delete(name);
    this.#topics.set(name, topic);
    return topic;
  }

  /** Frees the memory of the topics unused for longest, a few at each call. */
  #sweep(): void {
    const now = this.#now();
    let looked = 0;
    for (const [name, topic] of this.#topics) {
      if (topic.usedAtMs + this.#metaMs <= now || this.#topics.size > this.#maxTopics) this.#topics.delete(name);
      else dropOld(topic, now);
      if (++looked === 4) return;
    }
  }

  #appendOne(topic: Topic, { data, key }: NewMessage): Appended {
    const atMs = this.#now();
    if (key !== undefined) {
      if (topic.keyedAtMs + KEYS_MS <= atMs) topic.keys.clear();
      topic.keyedAtMs = atMs;
      const earlier = topic.keys.get(key);
      if (earlier !== undefined) return { offset: earlier, repeated: true };
    }
    const offset = ++topic.end;
    topic.messages.push({ offset, atMs, data: typeof data === "string" ? data : data.slice(), key });
    topic.bytes += messageBytes(data);
    if (key !== undefined) {
      topic.keys.set(key, offset);
      const [oldest] = topic.keys.keys();
      if (topic.keys.size > MAX_KEYS && oldest !== undefined) topic.keys.delete(oldest);
    }
    return { offset, repeated: false };
  }

  #after(topic: Topic, from: HistoryQuery["from"]): { offset: number; recovered: boolean } {
    const { epoch, end, messages } = topic;
    if (from === undefined) return { offset: 0, recovered: true };
    if ("last" in from) return { offset: Math.max(0, end - from.last), recovered: true };
    if ("ms" in from) {
      const since = this.#now() - from.ms;
      return { offset: (messages.findLast(({ atMs }) => atMs <= since)?.offset) ?? 0, recovered: true };
    }
    if (from.epoch !== epoch) return { offset: 0, recovered: false };
    if (from.offset > end) return { offset: end, recovered: false };
    const first = messages[topic.first]?.offset ?? end + 1;
    return { offset: from.offset, recovered: from.offset + 1 >= first };
  }
}

function endOf({ epoch, end }: Topic): Position {
  return { epoch, offset: end };
}

function trim(topic: Topic, window: HistoryWindow, now: number): void {
  while (topic.messages.length - topic.first > window.messages || topic.bytes > window.bytes) dropFirst(topic);
  dropOld(topic, now);
}

function dropOld(topic: Topic, now: number): void {
  const { messages } = topic;
  while ((messages[topic.first]?.atMs ?? Infinity) + topic.windowMs <= now) dropFirst(topic);
  if (topic.first * 2 <= messages.length) return;
  topic.messages = messages.slice(topic.first);
  topic.first = 0;
}

function dropFirst(topic: Topic): void {
  topic.bytes -= messageBytes(topic.messages[topic.first++]?.data ?? "");
}

/** The first messages of so many, as far as they fit into a page. */
function pageOf(count: number, at: (index: number) => KeptMessage | undefined, limit: number): KeptMessage[] {
  const page: KeptMessage[] = [];
  let bytes = 0;
  for (let message = at(0); message && page.length < Math.min(count, limit); message = at(page.length)) {
    bytes += messageBytes(message.data);
    if (page.length > 0 && bytes > MAX_READ_BYTES) break;
    page.push(message);
  }
  return page;
}
