import { checkMs, checkName, checkObject } from "../../base/check.ts";
import { errorCode, MeshError } from "../../base/error.ts";
import { DEFAULT_LIMITS } from "../../base/limits.ts";
import { randomId } from "../../base/random-id.ts";
import { throwIfAborted, unlessAborted } from "../abort.ts";
import { checkHolder, checkRenewIds, noLease } from "../check-holder.ts";
import { RedisCaller } from "./caller.ts";
import { makeRedisClient, type RedisClient, type RedisConfig } from "./client.ts";
import { keysOf, type RedisKeys } from "./keys.ts";
import { parseClaimed, parseEntry, parseHolder, publicEntry, recallClaims, SLICE_ITEMS, slicesOf } from "./value.ts";
import type {
  Claimed,
  Entry,
  Holder,
  IdEntry,
  Renewal,
  RenewOptions,
  Storage,
  StorageCallOptions,
} from "../storage.ts";

export type { RedisClient, RedisConfig } from "./client.ts";

/** What can be set on a {@link RedisStorage}. */
export interface RedisStorageOptions {
  /**
   * Milliseconds that one request may take. Over it: rejects `unavailable`. Default 1,000.
   * A client passed in keeps its own time; give the same here.
   */
  timeoutMs?: number;
  /** Milliseconds after the end of a lease at which any node clears what that life left, should nobody have done so. Default 60,000. */
  orphanAfterMs?: number;
}

/** How {@link RedisStorage.set} claims. */
export type SetOptions = StorageCallOptions & { ifAbsent?: boolean };

/**
 * A {@link Storage} in Redis, reached over HTTP: Upstash, or any Redis behind `cli/redis-endpoint.ts`.
 *
 * Every operation is one script and one request for up to 500 ids. The server MUST NOT evict keys (`noeviction`).
 * The constructor throws a TypeError (`invalid_argument`) for a bad url, token or prefix. A client passed in is probed at the first
 * call, and every call rejects (`failed_precondition`) with the reason if that client repeats commands, has no timeout or changes types.
 * An aborted `set` may have taken effect; what it was granted is then given back.
 */
export class RedisStorage implements Storage {
  readonly #caller: RedisCaller;
  readonly #keys: RedisKeys;
  readonly #timeoutMs: number;
  readonly #orphanAfterMs: number;
  /** How long a claim's call is remembered: longer than any request may be held up. */
  readonly #rememberMs: string;
  /** By life: the name of the lease that it is known to hold. */
  readonly #tenures = new Map<string, string>();
  readonly #instance: string = randomId().slice(0, 8);
  readonly #clearing = new Set<string>();
  #calls = 0;
  /** What the server's clock showed at the latest at a moment of ours. */
  #clock: { serverMs: number; localMs: number } | undefined;

  /** `prefix` names the cluster: hubs with the same one see each other. It holds no braces. Default "websocket". */
  constructor(redis: RedisConfig | RedisClient, prefix = "websocket", options: RedisStorageOptions = {}) {
    checkObject("redis", redis);
    checkObject("options", options);
    const { timeoutMs = DEFAULT_LIMITS.storageTimeoutMs, orphanAfterMs = 60_000 } = options;
    checkMs("timeoutMs", timeoutMs, 1);
    checkMs("orphanAfterMs", orphanAfterMs, 0);
    this.#timeoutMs = timeoutMs;
    this.#orphanAfterMs = orphanAfterMs;
    this.#caller = isClient(redis)
      ? new RedisCaller(redis, true)
      : new RedisCaller(makeRedisClient(redis, this.#timeoutMs), false);
    this.#rememberMs = String(Math.max(10_000, 4 * this.#timeoutMs));
    this.#keys = keysOf(prefix);
  }

  async set(ids: readonly string[], holder: Holder, options: SetOptions = {}): Promise<Claimed[]> {
    checkHolder(holder);
    for (const id of ids) checkName("id", id, Infinity);
    const claimed: Claimed[] = [];
    try {
      for (const slice of slicesOf(ids, (id) => id)) claimed.push(...(await this.#claim(slice, holder, options)));
    } catch (error) {
      this.#giveBack(ids, holder, claimed);
      throw error;
    }
    return claimed;
  }

  async get(ids: readonly string[], options: StorageCallOptions = {}): Promise<(Entry | undefined)[]> {
    for (const id of ids) checkName("id", id, Infinity);
    const values = await Promise.all(slicesOf(ids, (id) => id).map((slice) => this.#values(slice, options.signal)));
    return values.flat().map(entryOf);
  }

  async del(
    entries: readonly Pick<IdEntry, "id" | "life" | "claim">[],
    options: StorageCallOptions = {},
  ): Promise<boolean[]> {
    const removed: boolean[] = [];
    for (const slice of slicesOf(entries, ({ id }) => id)) {
      const lives = [...new Set(slice.map(({ life }) => life))];
      const keyOf = new Map(lives.map((life, index) => [life, String(index + 2)]));
      const keys = [this.#keys.connections, ...lives.map((life) => this.#keys.held(life))];
      const args = slice.flatMap(({ id, life, claim }) => [keyOf.get(life) ?? "", life, String(claim), id]);
      const answer = await this.#caller.run("del", keys, args, options.signal);
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
        [cursor, String(SLICE_ITEMS)],
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
    const args = [holder.life, holder.host, String(Math.ceil(ttlMs)), randomId(), String(this.#orphanAfterMs), ...ids];
    const keys = [this.#keys.leases, this.#keys.meta, this.#keys.connections];
    const [tenure = "", generation = "", serverMs, ...rest] = await this.#caller.run("renew", keys, args, signal);
    const [values, holders] = [rest.slice(0, ids.length), rest.slice(ids.length)];
    this.#setClock(serverMs);
    const lapsed = this.#tenures.get(holder.life) !== tenure;
    this.#tenures.set(holder.life, tenure);
    for (const dead of holders.filter((text) => text.startsWith("-"))) this.#clearLater(dead.slice(1));
    const living = holders.filter((text) => text.startsWith("+")).map((text) => parseHolder(text.slice(1)));
    return { lapsed, living, generation, entries: values.map(entryOf) };
  }

  async living(options: StorageCallOptions = {}): Promise<Holder[]> {
    return (await this.#caller.run("living", [this.#keys.leases], [], options.signal)).map(parseHolder);
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
    await this.#caller.run("unsubscribe", keys, [holder.life, holder.host, topic], options.signal);
  }

  async subscribers(topic: string, publisher?: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    checkName("topic", topic, Infinity);
    if (publisher) checkHolder(publisher);
    return this.#topic("subscribers", topic, publisher ?? { host: "", life: "" }, options);
  }

  /** After this every call rejects (`failed_precondition`). */
  async close(): Promise<void> {
    this.#caller.close();
  }

  #values(ids: string[], signal?: AbortSignal): Promise<string[]> {
    return this.#caller.run("get", [this.#keys.leases, this.#keys.connections], ids, signal);
  }

  async #topic(
    script: "subscribe" | "subscribers",
    topic: string,
    holder: Holder,
    { signal }: StorageCallOptions,
  ): Promise<Holder[]> {
    const keys = [this.#keys.leases, this.#keys.held(holder.life), this.#keys.subscribers, this.#keys.publishers];
    const answer = await this.#caller.run(script, keys, [holder.life, holder.host, topic], signal);
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
    const args = [holder.life, holder.host, String(SLICE_ITEMS), force ? "1" : "0"];
    let removed = 0;
    let more = true;
    while (more) {
      const answer = await this.#caller.run("clear", keys, args, signal);
      removed += Number(answer[0]);
      more = Number(answer[1]) === 1;
    }
    return removed;
  }

  /** What an ended life left is cleared beside the renewal that found it; if that fails, the next renewal finds it again. */
  #clearLater(dead: string): void {
    if (this.#clearing.has(dead)) return;
    const holder = parseHolder(dead);
    this.#clearing.add(dead);
    this.#tenures.delete(holder.life);
    this.#clear(holder, false)
      .catch(() => {})
      .finally(() => this.#clearing.delete(dead));
  }

  async #claim(ids: string[], holder: Holder, { ifAbsent, signal }: SetOptions): Promise<Claimed[]> {
    throwIfAborted(signal);
    const claiming = this.#claimOnce(ids, holder, ifAbsent ?? false);
    return unlessAborted(claiming, signal).catch((error: unknown) => {
      if (errorCode(error) === "canceled") claiming.then((claimed) => this.#giveBack(ids, holder, claimed), () => {});
      throw error;
    });
  }

  async #claimOnce(ids: string[], holder: Holder, ifAbsent: boolean): Promise<Claimed[]> {
    const call = this.#keys.call(this.#instance + (this.#calls++).toString(36));
    const keys = [this.#keys.leases, this.#keys.connections, this.#keys.meta, this.#keys.held(holder.life), call];
    const args = [holder.life, holder.host, ifAbsent ? "1" : "0", this.#rememberMs];
    const claim = (): Promise<string[]> => this.#caller.run("set", keys, [...args, this.#latest(), ...ids]);
    try {
      let answer = await claim();
      if (answer[0] === "late") {
        // It did not run, so that it may be sent again: the server's clock was set forward.
        this.#setClock(answer[1]);
        answer = await claim();
      }
      if (answer[0] === "no lease") throw noLease();
      if (answer[0] === "ok") return answer.slice(1).map(parseClaimed);
      throw new MeshError("unavailable", "the claim came to the storage too late, or twice");
    } catch (error) {
      if (errorCode(error) !== "unavailable") throw error;
      return this.#recall(ids, { ...holder, ifAbsent }, call, error);
    }
  }

  /** Finds out what became of a claim whose answer was lost; rejects with `lost` if it did not take effect, and then it never will. */
  async #recall(ids: string[], how: Holder & { ifAbsent: boolean }, call: string, lost: unknown): Promise<Claimed[]> {
    const keys = [this.#keys.leases, this.#keys.connections, call];
    const answer = await this.#caller.run("recall", keys, [this.#rememberMs, ...ids]).catch(() => ["void"]);
    const [base = "void", ...values] = answer;
    if (base === "void") throw lost;
    return recallClaims(ids, values, { ...how, base: BigInt(base) });
  }

  #giveBack(ids: readonly string[], { life }: Holder, claimed: readonly Claimed[]): void {
    const entries = claimed.flatMap((
      { claim },
      index,
    ) => (claim === undefined ? [] : [{ id: ids[index] ?? "", life, claim }]));
    if (entries.length > 0) this.del(entries).catch(() => {});
  }

  #setClock(serverMs: string | undefined): void {
    this.#clock = { serverMs: Number(serverMs), localMs: performance.now() };
  }

  /** The moment on the server's clock at which this claim's answer is no longer waited for: a request held up for longer must not run. */
  #latest(): string {
    if (this.#clock === undefined) return "0";
    return String(Math.ceil(this.#clock.serverMs + performance.now() - this.#clock.localMs + this.#timeoutMs));
  }
}

function entryOf(value: string): Entry | undefined {
  const entry = parseEntry(value);
  return entry && publicEntry(entry);
}

function isClient(redis: RedisConfig | RedisClient): redis is RedisClient {
  return typeof (redis as Partial<RedisClient>).evalsha === "function";
}
