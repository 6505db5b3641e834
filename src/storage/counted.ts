import { bump, type Counters } from "../base/counters/counters.ts";
import { Histogram, SECONDS } from "../base/counters/histogram.ts";
import { errorCode } from "../base/error.ts";
import {
  canCheck,
  type Claimed,
  type Entry,
  type Holder,
  type IdEntry,
  type Renewal,
  type RenewOptions,
  type Storage,
  type StorageCallOptions,
  type StorageFinding,
} from "./storage.ts";

/** A {@link Storage} that counts the calls to another one, their failures and how long they took. Results and order are the other's. */
export class CountedStorage implements Storage {
  /** There if the other one can check itself. */
  readonly check: ((options?: StorageCallOptions) => Promise<StorageFinding[]>) | undefined;
  readonly #storage: Storage;
  readonly #counters: Counters;

  constructor(storage: Storage, counters: Counters) {
    this.#storage = storage;
    this.#counters = counters;
    this.check = canCheck(storage) ? (options) => this.#count("check", storage.check(options)) : undefined;
  }

  set(
    ids: readonly string[],
    holder: Holder,
    options?: StorageCallOptions & { ifAbsent?: boolean },
  ): Promise<Claimed[]> {
    return this.#count("set", this.#storage.set(ids, holder, options));
  }

  get(ids: readonly string[], options?: StorageCallOptions): Promise<(Entry | undefined)[]> {
    return this.#count("get", this.#storage.get(ids, options));
  }

  del(entries: readonly Pick<IdEntry, "id" | "life" | "claim">[], options?: StorageCallOptions): Promise<boolean[]> {
    return this.#count("del", this.#storage.del(entries, options));
  }

  clear(holder: Holder, options?: StorageCallOptions): Promise<number> {
    return this.#count("clear", this.#storage.clear(holder, options));
  }

  /** Not counted: it takes as long as its reader. */
  all(options?: StorageCallOptions): AsyncIterable<IdEntry> {
    return this.#storage.all(options);
  }

  renew(holder: Holder, ttlMs: number, options?: RenewOptions): Promise<Renewal> {
    return this.#count("renew", this.#storage.renew(holder, ttlMs, options));
  }

  living(options?: StorageCallOptions): Promise<Holder[]> {
    return this.#count("living", this.#storage.living(options));
  }

  leave(holder: Holder, options?: StorageCallOptions): Promise<void> {
    return this.#count("leave", this.#storage.leave(holder, options));
  }

  subscribe(topic: string, holder: Holder, options?: StorageCallOptions): Promise<Holder[]> {
    return this.#count("subscribe", this.#storage.subscribe(topic, holder, options));
  }

  unsubscribe(topic: string, holder: Holder, options?: StorageCallOptions): Promise<void> {
    return this.#count("unsubscribe", this.#storage.unsubscribe(topic, holder, options));
  }

  subscribers(topic: string, publisher?: Holder, options?: StorageCallOptions): Promise<Holder[]> {
    return this.#count("subscribers", this.#storage.subscribers(topic, publisher, options));
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  /** Listens to the promise, and returns it itself: a result comes no later than without. */
  #count<Result>(call: string, result: Promise<Result>): Promise<Result> {
    const startedMs = performance.now();
    const { storage, storageSeconds } = this.#counters;
    const seconds = (storageSeconds[call] ??= new Histogram(SECONDS));
    const count = (outcome: string): void => {
      bump(storage[call] ??= {}, outcome);
      seconds.add((performance.now() - startedMs) / 1_000);
    };
    result.then(() => count("ok"), (error: unknown) => count(errorCode(error) ?? "aborted"));
    return result;
  }
}
