import { BoundedMap } from "../base/bounded-map.ts";
import { checkMs, checkName, checkObject } from "../base/check/check.ts";
import { errorCode, invalidArgument, MeshError } from "../base/error.ts";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { randomId } from "../base/random-id.ts";
import { unlessCanceled } from "../storage/abort.ts";
import { RedisCaller } from "../storage/redis/caller.ts";
import { didNothing } from "../storage/redis/errors.ts";
import { keysOf } from "../storage/redis/keys.ts";
import { type RedisTarget, wayTo } from "../storage/redis/target.ts";
import { bytesOfBase64, toBase64 } from "./base64.ts";
import { checkAppend, checkQuery } from "./check.ts";
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
import { HISTORY_SCRIPTS } from "./scripts.ts";

/** Options of a {@link RedisHistory}. */
export interface RedisHistoryOptions {
  /** Milliseconds that one command may take. Over it: rejects `unavailable`, or `unknown` for an append. Default 1,000. */
  timeoutMs?: number;
  /** The bearer token, if the first argument is an `https://` URL. */
  token?: string | undefined;
  /** Milliseconds that a topic's epoch and end outlive its last use. Default 7 days. */
  metaMs?: number;
}

/** Ends of topics that this instance has seen; over it the oldest are forgotten. */
const MAX_SEEN = 10_000;

/**
 * A {@link HistoryStore} in Redis 6.2 or later, reached over TCP or over HTTP as a RedisStorage is.
 *
 * Each call is one script. An append whose answer was lost is read back: either it took effect, or it never will (`unavailable`). If
 * that fails too, it rejects with `unknown`. A restart or a failover of the server begins other epochs; the messages
 * that it still has can be read, and positions from before are not recovered.
 *
 * The server needs `maxmemory-policy noeviction`, as for a RedisStorage.
 */
export class RedisHistory implements HistoryStore {
  readonly #caller: RedisCaller;
  readonly #prefix: string;
  readonly #metaMs: number;
  readonly #rememberMs: string;
  readonly #instance: string = randomId().slice(0, 8);
  /** By topic: the latest end. A server that has an earlier one lost its newest writes. */
  readonly #seen = new BoundedMap<string, Position>(MAX_SEEN);
  #calls = 0;

  /** `prefix` names the cluster, as that of a RedisStorage does. Default "websocket". */
  constructor(redis: RedisTarget, prefix = "websocket", options: RedisHistoryOptions = {}) {
    checkObject("options", options);
    const { timeoutMs = DEFAULT_LIMITS.storageTimeoutMs, token, metaMs = DEFAULT_META_MS, ...unknown } = options;
    checkMs("timeoutMs", timeoutMs, 1);
    checkMs("metaMs", metaMs, 1);
    for (const name of Object.keys(unknown)) {
      throw invalidArgument(`a RedisHistory has no option ${name}: it takes timeoutMs, token and metaMs`);
    }
    keysOf(prefix);
    this.#prefix = `{${prefix}}`;
    this.#metaMs = metaMs;
    this.#rememberMs = String(Math.max(10_000, 4 * timeoutMs));
    this.#caller = new RedisCaller(wayTo(redis, { timeoutMs, token }));
  }

  async append(
    topic: string,
    messages: readonly NewMessage[],
    window: HistoryWindow,
    { signal }: HistoryCallOptions = {},
  ): Promise<AppendResult> {
    checkAppend(topic, messages, window);
    if (signal?.aborted) throw new MeshError("canceled", "the caller gave up", { cause: signal.reason });
    // It runs to its end even if the caller gives up: its answer is what this instance has seen.
    const result = await unlessCanceled(this.#append(topic, messages, window), signal);
    return result;
  }

  async read(topic: string, query: HistoryQuery = {}): Promise<HistoryPage> {
    checkQuery(topic, query);
    return await this.#read(topic, query, query.limit ?? MAX_READ_MESSAGES);
  }

  async position(topic: string, options: HistoryCallOptions = {}): Promise<Position> {
    checkName("topic", topic, Infinity);
    return (await this.#read(topic, options, 0)).end;
  }

  async clear(topic: string, { signal }: HistoryCallOptions = {}): Promise<void> {
    checkName("topic", topic, Infinity);
    this.#seen.delete(topic);
    await this.#caller.runText(HISTORY_SCRIPTS.clear, this.#keys(topic), [], ({ length }) => length === 0, signal);
  }

  /** Closes the connection. After this every call rejects (`failed_precondition`). */
  async close(): Promise<void> {
    this.#caller.close();
  }

  #keys(topic: string): string[] {
    return ["topic", "messages", "keys", "keyed"].map((kind) => `${this.#prefix}:${kind}:${topic}`);
  }

  /** The arguments with which every script on a topic begins. */
  #opening(topic: string): string[] {
    const { epoch, offset } = this.#seen.get(topic) ?? { epoch: "", offset: 0 };
    return [randomId(), epoch, String(offset), String(this.#metaMs)];
  }

  async #append(topic: string, messages: readonly NewMessage[], window: HistoryWindow): Promise<AppendResult> {
    const { epoch: seen } = this.#seen.get(topic) ?? { epoch: "" };
    const call = `${this.#prefix}:append:${this.#instance}${(this.#calls++).toString(36)}`;
    const limits = [window.messages, Math.ceil(window.ms), window.bytes, MAX_KEYS, KEYS_MS].map(String);
    const args = [...this.#opening(topic), ...limits, this.#rememberMs];
    for (const message of messages) args.push(formOf(message));
    const fits = ([first, , ...offsets]: readonly string[]): boolean =>
      first === "ok" ? fitsOffsets(offsets, messages.length) : first === "again";
    try {
      const answer = await this.#caller.runText(HISTORY_SCRIPTS.append, [...this.#keys(topic), call], args, fits);
      if (answer[0] === "ok") return this.#noted(topic, answer.slice(1));
      throw new MeshError("unavailable", `an append came to the Redis at ${this.#caller.host} twice`);
    } catch (error) {
      if (errorCode(error) !== "unavailable" || didNothing(error)) throw error;
      return await this.#settle(topic, { call, seen, count: messages.length, lost: error });
    }
  }

  /**
   * Finds out what became of an append whose answer was lost. Rejects with `lost` if it did not take effect, and then it never will; with
   * `unknown` if the server that it went to cannot be asked any more, because another one took over.
   */
  async #settle(topic: string, { call, seen, count, lost }: LostAppend): Promise<AppendResult> {
    const fits = ([result = "", same]: readonly string[]): boolean => {
      const [, ...offsets] = result.split(" ");
      return (same === "0" || same === "1") && (result === "void" || fitsOffsets(offsets, count));
    };
    const [keys, args] = [[call, `${this.#prefix}:topic:${topic}`], [this.#rememberMs, seen]];
    let answer: readonly string[];
    try {
      answer = await this.#caller.runText(HISTORY_SCRIPTS.settle, keys, args, fits);
    } catch (error) {
      throw unsettled(messageOf(error), lost);
    }
    const [result = "void", same] = answer;
    if (result !== "void") return this.#noted(topic, result.split(" "));
    if (same === "1") throw lost;
    throw unsettled("the server that they were sent to was restarted, wiped or replaced", lost);
  }

  #noted(topic: string, [epoch = "", ...offsets]: readonly string[]): AppendResult {
    const appended = offsets.flatMap(appendedOf);
    this.#see(topic, { epoch, offset: appended.reduce((most, { offset }) => Math.max(most, offset), 0) });
    return { epoch, appended };
  }

  async #read(topic: string, query: HistoryQuery, limit: number): Promise<HistoryPage> {
    const [mode, amount, epoch] = modeOf(query.from);
    const to = query.to === undefined ? "" : String(query.to);
    const bounds = [to, String(limit), String(MAX_READ_BYTES), query.reverse === true ? "1" : "0"];
    const args = [...this.#opening(topic), mode, String(amount), epoch, ...bounds];
    const answer = await this.#caller.runText(HISTORY_SCRIPTS.read, this.#keys(topic), args, fitsPage, query.signal);
    const [found = "", last = "", recovered, more, ...fields] = answer;
    const end = { epoch: found, offset: Number(last) };
    this.#see(topic, end);
    const messages: KeptMessage[] = [];
    for (let index = 0; index < fields.length; index += 5) {
      messages.push(messageOfFields(fields.slice(index, index + 5)));
    }
    return { end, messages, more: more === "1", recovered: recovered === "1" };
  }

  #see(topic: string, end: Position): void {
    const before = this.#seen.get(topic);
    // Answers may come out of order.
    const offset = before?.epoch === end.epoch ? Math.max(before.offset, end.offset) : end.offset;
    this.#seen.set(topic, { epoch: end.epoch, offset });
  }
}

function unsettled(why: string, cause: unknown): MeshError {
  return new MeshError("unknown", `the messages may or may not be in the history of their topic: ${why}`, { cause });
}

/** An append without an answer. */
interface LostAppend {
  readonly call: string;
  /** The epoch of the topic when it was sent; "" if it was not known. */
  readonly seen: string;
  readonly count: number;
  readonly lost: unknown;
}

function modeOf(from: HistoryQuery["from"]): [mode: string, amount: number, epoch: string] {
  if (from === undefined) return ["all", 0, ""];
  if ("last" in from) return ["last", from.last, ""];
  if ("ms" in from) return ["ms", Math.ceil(from.ms), ""];
  return ["after", from.offset, from.epoch];
}

function messageOfFields([offset, at, kind, data = "", key]: readonly string[]): KeptMessage {
  return {
    offset: Number(offset),
    atMs: Number(at),
    data: kind === "text" ? data : bytesOfBase64(data),
    key: key === "" ? undefined : key,
  };
}

const encoder = new TextEncoder();

/** A message as the script reads it. */
function formOf({ data, key }: NewMessage): string {
  const text = typeof data === "string" ? data : toBase64(data);
  if (key === undefined) return (typeof data === "string" ? "t" : "b") + text;
  return `${typeof data === "string" ? "T" : "B"}${encoder.encode(key).byteLength}:${key}${text}`;
}

/** The offsets of `first-last`, or one offset, with `=` before that of a repeated message. */
function appendedOf(text: string): Appended[] {
  const [first = 0, last] = text.replace("=", "").split("-").map(Number);
  const repeated = text.startsWith("=");
  if (last === undefined) return [{ offset: first, repeated }];
  return Array.from({ length: last - first + 1 }, (_, index) => ({ offset: first + index, repeated }));
}

/** Whether these are the offsets of so many messages. */
function fitsOffsets(offsets: readonly string[], count: number): boolean {
  const [first = 0, last = 0] = /^(\d+)-(\d+)$/.exec(offsets[0] ?? "")?.slice(1).map(Number) ?? [];
  if (offsets.length === 1 && last > 0) return last - first + 1 === count;
  return offsets.length === count && offsets.every((text) => /^=?\d+$/.test(text));
}

function fitsPage([, last = "", recovered = "", more = "", ...fields]: readonly string[]): boolean {
  return /^\d+$/.test(last) && /^[01]$/.test(recovered) && /^[01]$/.test(more) && fields.length % 5 === 0 &&
    fields.every((text, index) => index % 5 !== 2 || text === "text" || text === "base64");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
