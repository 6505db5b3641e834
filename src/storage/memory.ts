import { checkName } from "../base/check/check.ts";
import { randomId } from "../base/random-id.ts";
import type { HistorySource, HistoryStore } from "../history/history.ts";
import { MemoryHistory } from "../history/memory.ts";
import { throwIfAborted } from "./abort.ts";
import { checkRenewIds, noLease } from "./check-holder.ts";
import type { Claimed, Entry, Holder, IdEntry, Renewal, RenewOptions, Storage, StorageCallOptions } from "./storage.ts";

interface Lease extends Holder {
  endsAtMs: number;
}

/**
 * A storage in this process's memory: for one process, for tests, and as the reading of the {@link Storage} contract.
 *
 * Several hubs of one process form a cluster when they share it.
 *
 * ```ts
 * import { DistHub, MemoryStorage } from "meshsocket";
 *
 * const storage = new MemoryStorage();
 * const [a, b] = [new DistHub({ storage }), new DistHub({ storage })];
 * ```
 */
export class MemoryStorage implements Storage, HistorySource {
  readonly local = true;
  readonly #now: () => number;
  #leases = new Map<string, Lease>();
  #entries = new Map<string, Entry>();
  #idsOfLife = new Map<string, Set<string>>();
  #subscribers = new Map<string, Map<string, Holder>>();
  #publishers = new Map<string, Map<string, Holder>>();
  #generation = randomId();
  #history: MemoryHistory | undefined;
  #claims = 0n;

  /** `now` is a monotonic clock in milliseconds; tests pass their own. */
  constructor(options: { now?: () => number } = {}) {
    this.#now = options.now ?? (() => performance.now());
  }

  async set(
    ids: readonly string[],
    holder: Holder,
    options: StorageCallOptions & { ifAbsent?: boolean } = {},
  ): Promise<Claimed[]> {
    throwIfAborted(options.signal);
    for (const id of ids) checkName("id", id, Infinity);
    this.#requireLease(holder);
    return ids.map((id) => {
      const previous = this.#livingEntry(id);
      if (options.ifAbsent && previous && previous.life !== holder.life) return { claim: undefined, previous };
      const claim = ++this.#claims;
      this.#entries.set(id, { host: holder.host, life: holder.life, claim });
      getOrMake(this.#idsOfLife, holder.life, () => new Set<string>()).add(id);
      return { claim, previous };
    });
  }

  async get(ids: readonly string[], options: StorageCallOptions = {}): Promise<(Entry | undefined)[]> {
    throwIfAborted(options.signal);
    for (const id of ids) checkName("id", id, Infinity);
    return ids.map((id) => this.#livingEntry(id));
  }

  async del(
    entries: readonly Pick<IdEntry, "id" | "life" | "claim">[],
    options: StorageCallOptions = {},
  ): Promise<boolean[]> {
    throwIfAborted(options.signal);
    return entries.map(({ id, life, claim }) => {
      const entry = this.#entries.get(id);
      if (entry?.life !== life || entry.claim !== claim) return false;
      this.#entries.delete(id);
      this.#idsOfLife.get(life)?.delete(id);
      return true;
    });
  }

  async clear(holder: Holder, options: StorageCallOptions = {}): Promise<number> {
    throwIfAborted(options.signal);
    if (this.#lives(holder.life)) return 0;
    this.#leases.delete(holder.life);
    return this.#remove(holder);
  }

  async *all(options: StorageCallOptions = {}): AsyncIterable<IdEntry> {
    throwIfAborted(options.signal);
    for (const id of [...this.#entries.keys()]) {
      const entry = this.#livingEntry(id);
      if (entry) yield { id, ...entry };
    }
  }

  async renew(holder: Holder, ttlMs: number, { signal, ids = [] }: RenewOptions = {}): Promise<Renewal> {
    throwIfAborted(signal);
    checkRenewIds(ids);
    const lapsed = !this.#lives(holder.life);
    for (const lease of this.#leases.values()) {
      if (lease.host !== holder.host || lease.life === holder.life) continue;
      this.#leases.delete(lease.life);
      this.#remove(lease);
    }
    this.#leases.set(holder.life, { host: holder.host, life: holder.life, endsAtMs: this.#now() + ttlMs });
    const entries = ids.map((id) => this.#livingEntry(id));
    return { lapsed, living: await this.living(), generation: this.#generation, entries };
  }

  async living(options: StorageCallOptions = {}): Promise<Holder[]> {
    throwIfAborted(options.signal);
    return [...this.#leases.values()].filter((lease) => this.#lives(lease.life)).map(holderOf);
  }

  async leave(holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    this.#leases.delete(holder.life);
    this.#remove(holder);
  }

  async subscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    throwIfAborted(options.signal);
    checkName("topic", topic, Infinity);
    this.#requireLease(holder);
    getOrMake(this.#subscribers, topic, () => new Map<string, Holder>()).set(holder.life, holderOf(holder));
    return this.#living(this.#publishers.get(topic));
  }

  async unsubscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    deleteFrom(this.#subscribers, topic, holder.life);
  }

  async subscribers(topic: string, publisher?: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    throwIfAborted(options.signal);
    checkName("topic", topic, Infinity);
    if (publisher) {
      this.#requireLease(publisher);
      getOrMake(this.#publishers, topic, () => new Map<string, Holder>()).set(publisher.life, holderOf(publisher));
    }
    return this.#living(this.#subscribers.get(topic));
  }

  /** The recent messages of topics: one history for all hubs that share this storage. */
  history(): HistoryStore {
    return (this.#history ??= new MemoryHistory()).shared();
  }

  async close(): Promise<void> {}

  /** Forgets everything, as a store that was wiped does. For tests of what follows. */
  wipe(): void {
    for (const map of [this.#leases, this.#entries, this.#idsOfLife, this.#subscribers, this.#publishers]) map.clear();
    this.#generation = randomId();
  }

  #lives(life: string): boolean {
    const lease = this.#leases.get(life);
    return lease !== undefined && lease.endsAtMs > this.#now();
  }

  #requireLease(holder: Holder): void {
    if (!this.#lives(holder.life)) throw noLease();
  }

  #livingEntry(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry && this.#lives(entry.life) ? entry : undefined;
  }

  #living(holders: ReadonlyMap<string, Holder> | undefined): Holder[] {
    return holders ? [...holders.values()].filter((holder) => this.#lives(holder.life)) : [];
  }

  #remove(holder: Holder): number {
    let removed = 0;
    for (const id of this.#idsOfLife.get(holder.life) ?? []) {
      if (this.#entries.get(id)?.life === holder.life && this.#entries.delete(id)) removed++;
    }
    this.#idsOfLife.delete(holder.life);
    for (const topics of [this.#subscribers, this.#publishers]) {
      for (const topic of topics.keys()) deleteFrom(topics, topic, holder.life);
    }
    return removed;
  }
}

function holderOf({ host, life }: Holder): Holder {
  return { host, life };
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, value = make());
  return value;
}

function deleteFrom(topics: Map<string, Map<string, Holder>>, topic: string, life: string): void {
  const holders = topics.get(topic);
  if (holders?.delete(life) && holders.size === 0) topics.delete(topic);
}
