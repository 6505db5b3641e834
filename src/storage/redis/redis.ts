import "../../base/check/check-node.ts";
import { checkMs, checkName, checkObject } from "../../base/check/check.ts";
import { invalidArgument } from "../../base/error.ts";
import { DEFAULT_LIMITS } from "../../base/limits.ts";
import { randomId } from "../../base/random-id.ts";
import type { HistorySource } from "../../history/history.ts";
import { RedisHistory } from "../../history/redis.ts";
import { checkHolder, checkRenewIds, noLease } from "../check-holder.ts";
import { claimSlices } from "../claim-slices.ts";
import { RedisCaller } from "./caller.ts";
import { RedisClaims } from "./claims.ts";
import { evicts, findFaults } from "./findings.ts";
import { keysOf, type RedisKeys } from "./keys.ts";
import { type RedisTarget, wayTo } from "./target.ts";
import { fitsEntry, fitsHolder, parseEntry, parseHolder, publicEntry, SCRIPT_ITEMS, scriptSlices } from "./value.ts";
import type {
  CheckedStorage,
  Claimed,
  Entry,
  Holder,
  IdEntry,
  Renewal,
  RenewOptions,
  StorageCallOptions,
  StorageFinding,
} from "../storage.ts";

export type { RedisClusterConfig, RedisSentinelConfig, RedisTcpConfig } from "./connect.ts";
export type { RedisClient, RedisConfig } from "./http.ts";
export type { RedisTarget } from "./target.ts";
export { RedisHistory, type RedisHistoryOptions } from "../../history/redis.ts";

/** Options of a {@link RedisStorage}. */
export interface RedisStorageOptions {
  /**
   * Milliseconds that one command may take, connecting included. Over it: rejects `unavailable`. Default 1,000.
   * A client of `@upstash/redis` keeps its own time; give the same here.
   */
  timeoutMs?: number;
  /** Milliseconds after the end of a lease at which any node clears the entries of that life, if no other did. Default 60,000. */
  orphanAfterMs?: number;
  /** The bearer token, if the first argument is an `https://` URL. */
  token?: string | undefined;
}

/** How {@link RedisStorage.set} claims. */
export type SetOptions = StorageCallOptions & { ifAbsent?: boolean };

/**
 * A {@link Storage} in Redis, reached over TCP or over HTTP.
 *
 * ```ts
 * import { RedisStorage } from "meshsocket/redis";
 *
 * new RedisStorage("redis://127.0.0.1:6379"); // or rediss://user:password@host:6380/0
 * new RedisStorage({ url: "https://….upstash.io", token });
 * new RedisStorage({ name: "mymaster", sentinelRootNodes: [{ host: "10.0.0.1", port: 26379 }] });
 * new RedisStorage({ rootNodes: [{ url: "redis://10.0.0.1:6379" }] });
 * ```
 *
 * TCP needs the package `redis` (`npm install redis`); the first command loads it and opens one connection. A lost connection is
 * opened again by the next command. HTTP needs an endpoint such as Upstash or `npx meshsocket redis-endpoint`.
 *
 * Every operation is one script and one command for up to 500 ids. The server MUST NOT evict keys (`noeviction`): the first
 * `renew` rejects (`failed_precondition`) if it does. Every other failure rejects with `unavailable` and names the host.
 * The constructor throws a TypeError (`invalid_argument`) for a bad URL, token, prefix or option. A client of `@upstash/redis` is probed at
 * the first call, and every call rejects (`failed_precondition`) if that client repeats commands, has no timeout or changes types.
 * An aborted `set` may have taken effect; its claims are then given back.
 */
export class RedisStorage implements CheckedStorage, HistorySource {
  readonly #caller: RedisCaller;
  readonly #claims: RedisClaims;
  readonly #keys: RedisKeys;
  readonly #orphanAfterMs: number;
  /** By life: the name of the lease that it is known to hold. */
  readonly #tenures = new Map<string, string>();
  readonly #clearing = new Set<string>();
  readonly #openHistory: () => RedisHistory;
  /** Whether a renewal has seen that the server does not evict keys. */
  #keeps = false;

  /** `prefix` names the cluster: hubs with the same one see each other. It holds no braces. Default "websocket". */
  constructor(redis: RedisTarget, prefix = "websocket", options: RedisStorageOptions = {}) {
    checkObject("options", options);
    const { timeoutMs = DEFAULT_LIMITS.storageTimeoutMs, orphanAfterMs = 60_000, token, ...unknown } = options;
    checkMs("timeoutMs", timeoutMs, 1);
    checkMs("orphanAfterMs", orphanAfterMs, 0);
    for (const name of Object.keys(unknown)) {
      throw invalidArgument(`a RedisStorage has no option ${name}: it takes timeoutMs, orphanAfterMs and token`);
    }
    this.#orphanAfterMs = orphanAfterMs;
    this.#caller = new RedisCaller(wayTo(redis, { timeoutMs, token }));
    this.#keys = keysOf(prefix);
    this.#openHistory = () => new RedisHistory(redis, prefix, { timeoutMs, token });
    this.#claims = new RedisClaims(this.#caller, this.#keys, timeoutMs);
  }

  async set(ids: readonly string[], holder: Holder, options: SetOptions = {}): Promise<Claimed[]> {
    checkHolder(holder);
    for (const id of ids) checkName("id", id, Infinity);
    const { ifAbsent = false, signal } = options;
    const claim = (slice: readonly string[]): Promise<Claimed[]> => this.#claims.claim(slice, holder, ifAbsent);
    return await claimSlices(scriptSlices(ids, (id) => id), claim, { storage: this, holder, signal });
  }

  async get(ids: readonly string[], options: StorageCallOptions = {}): Promise<(Entry | undefined)[]> {
    for (const id of ids) checkName("id", id, Infinity);
    const values = await Promise.all(scriptSlices(ids, (id) => id).map((slice) => this.#values(slice, options.signal)));
    return values.flat().map(entryOf);
  }

  async del(
    entries: readonly Pick<IdEntry, "id" | "life" | "claim">[],
    options: StorageCallOptions = {},
  ): Promise<boolean[]> {
    const removed: boolean[] = [];
    for (const slice of scriptSlices(entries, ({ id }) => id)) {
      const lives = [...new Set(slice.map(({ life }) => life))];
      const keyOf = new Map(lives.map((life, index) => [life, String(index + 2)]));
      const keys = [this.#keys.connections, ...lives.map((life) => this.#keys.held(life))];
      const args = slice.flatMap(({ id, life, claim }) => [keyOf.get(life) ?? "", life, String(claim), id]);
      const fits = (answer: readonly string[]): boolean => answer.length === slice.length && answer.every(isNumber);
      const answer = await this.#caller.run("del", keys, args, fits, options.signal);
      removed.push(...answer.map((one) => Number(one) === 1));
    }
    return removed;
  }

  async clear(holder: Holder, options: StorageCallOptions = {}): Promise<number> {
    return this.#clear(holder, false, options.signal);
  }

  async *all(options: StorageCallOptions = {}): AsyncIterable<IdEntry> {
    // HSCAN may show a field twice while the hash grows or shrinks.
    const seen = new Set<string>();
    let cursor: string | undefined = "0";
    do {
      const page: string[] = await this.#caller.run(
        "all",
        [this.#keys.leases, this.#keys.connections],
        [cursor, String(SCRIPT_ITEMS)],
        ([next = ""]) => isNumber(next),
        options.signal,
      );
      cursor = page.shift();
      for (const line of page) {
        const end = line.indexOf("\n");
        const id = line.slice(end + 1);
        const entry = parseEntry(line.slice(0, end));
        if (entry === undefined || seen.has(id)) continue;
        seen.add(id);
        yield { id, ...publicEntry(entry) };
      }
    } while (cursor !== undefined && cursor !== "0");
  }

  async renew(holder: Holder, ttlMs: number, { signal, ids = [] }: RenewOptions = {}): Promise<Renewal> {
    checkHolder(holder);
    checkRenewIds(ids);
    const look = this.#keeps ? "0" : "1";
    const orphanAfter = String(this.#orphanAfterMs);
    const args = [holder.life, holder.host, String(Math.ceil(ttlMs)), randomId(), orphanAfter, look, ...ids];
    const keys = [this.#keys.leases, this.#keys.meta, this.#keys.connections];
    const answer = await this.#caller.run("renew", keys, args, (found) => fitsRenewal(found, ids.length), signal);
    if (answer[0] === "evicting") throw evicts(this.#caller.host, answer[1] ?? "");
    this.#keeps = true;
    const [tenure = "", generation = "", serverMs, ...rest] = answer;
    const [values, holders] = [rest.slice(0, ids.length), rest.slice(ids.length)];
    this.#claims.setClock(serverMs);
    const lapsed = this.#tenures.get(holder.life) !== tenure;
    this.#tenures.set(holder.life, tenure);
    for (const dead of holders.filter((text) => text.startsWith("-"))) this.#clearLater(dead.slice(1));
    const living = holders.filter((text) => text.startsWith("+")).map((text) => parseHolder(text.slice(1)));
    return { lapsed, living, generation, entries: values.map(entryOf) };
  }

  /**
   * Looks whether the server can be reached, is a primary that takes writes, and keeps its keys. One command.
   *
   * ```ts
   * for (const { text, fix } of await storage.check()) console.error(`${text}: ${fix}`);
   * ```
   */
  async check({ signal }: StorageCallOptions = {}): Promise<StorageFinding[]> {
    return await findFaults(this.#caller, this.#keys, signal);
  }

  async living(options: StorageCallOptions = {}): Promise<Holder[]> {
    const fits = (answer: readonly string[]): boolean => answer.every(fitsHolder);
    return (await this.#caller.run("living", [this.#keys.leases], [], fits, options.signal)).map(parseHolder);
  }

  async leave(holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    this.#tenures.delete(holder.life);
    await this.#clear(holder, true, options.signal);
  }

  async subscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    checkName("topic", topic, Infinity);
    checkHolder(holder);
    return this.#topic("subscribe", topic, holder, options);
  }

  async unsubscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    checkName("topic", topic, Infinity);
    const keys = [this.#keys.held(holder.life), this.#keys.subscribers];
    const args = [holder.life, holder.host, topic];
    await this.#caller.run("unsubscribe", keys, args, (answer) => answer.length === 0, options.signal);
  }

  async subscribers(topic: string, publisher?: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    checkName("topic", topic, Infinity);
    if (publisher) checkHolder(publisher);
    return this.#topic("subscribers", topic, publisher ?? { host: "", life: "" }, options);
  }

  /** Closes the connection. After this every call rejects (`failed_precondition`). */
  /** The recent messages of topics in the same Redis under the same prefix, over a connection of its own. */
  history(): RedisHistory {
    return this.#openHistory();
  }

  async close(): Promise<void> {
    this.#caller.close();
  }

  #values(ids: string[], signal?: AbortSignal): Promise<string[]> {
    const fits = (answer: readonly string[]): boolean => answer.length === ids.length && answer.every(fitsEntry);
    return this.#caller.run("get", [this.#keys.leases, this.#keys.connections], ids, fits, signal);
  }

  async #topic(
    script: "subscribe" | "subscribers",
    topic: string,
    holder: Holder,
    { signal }: StorageCallOptions,
  ): Promise<Holder[]> {
    const keys = [this.#keys.leases, this.#keys.held(holder.life), this.#keys.subscribers, this.#keys.publishers];
    const args = [holder.life, holder.host, topic];
    const answer = await this.#caller.run(script, keys, args, fitsTopic, signal);
    if (answer[0] === "no lease") throw noLease();
    return answer.slice(1).map(parseHolder);
  }

  async #clear(holder: Holder, force: boolean, signal?: AbortSignal): Promise<number> {
    checkHolder(holder);
    const keys = [
      this.#keys.leases,
      this.#keys.connections,
      this.#keys.held(holder.life),
      this.#keys.subscribers,
      this.#keys.publishers,
      this.#keys.meta,
    ];
    const args = [holder.life, holder.host, String(SCRIPT_ITEMS), force ? "1" : "0"];
    let removed = 0;
    let more = true;
    while (more) {
      const answer = await this.#caller.run("clear", keys, args, fitsClear, signal);
      removed += Number(answer[0]);
      more = Number(answer[1]) === 1;
    }
    return removed;
  }

  /** Clears the entries of an ended life after the renewal that found it. If that fails, the next renewal finds it again. */
  #clearLater(dead: string): void {
    if (this.#clearing.has(dead)) return;
    const holder = parseHolder(dead);
    this.#clearing.add(dead);
    this.#tenures.delete(holder.life);
    this.#clear(holder, false)
      .catch(() => {})
      .finally(() => this.#clearing.delete(dead));
  }
}

function entryOf(value: string): Entry | undefined {
  const entry = parseEntry(value);
  return entry && publicEntry(entry);
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

function fitsRenewal(answer: readonly string[], ids: number): boolean {
  const [first, , serverMs = "", ...rest] = answer;
  if (first === "evicting") return answer.length === 2;
  return isNumber(serverMs) && rest.slice(0, ids).every(fitsEntry) &&
    rest.slice(ids).every((text) => /^[+-]/.test(text) && fitsHolder(text.slice(1)));
}

function fitsTopic([first, ...holders]: readonly string[]): boolean {
  return first === "ok" ? holders.every(fitsHolder) : first === "no lease";
}

function fitsClear(answer: readonly string[]): boolean {
  return answer.length === 2 && answer.every(isNumber);
}
