/**
 * STORAGE SEAM: which node holds which id, and which nodes want which topic.
 *
 * This folder holds the seam with its contract, the storage in memory (`memory.ts`), the one in Redis (`redis/redis.ts`) and the one in
 * etcd (`etcd/etcd.ts`). A node claims an id when a client connects and releases it afterwards. Messages never pass through a storage.
 */
import { checkObject } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";

/**
 * One life of one node. A life is new at each start and after each lapse of the lease,
 * so that what a former life left behind can never be taken for the present one's.
 */
export interface Holder {
  /** The node's RPC address, `host:port`. */
  readonly host: string;
  /** A random name for this life: 22 characters of base64url. */
  readonly life: string;
}

/** The holder of an id. */
export interface Entry extends Holder {
  /** Never falls from one granted claim to the next: of two claims on one id the larger is the newer. */
  readonly claim: bigint;
}

/** An {@link Entry} with its id. */
export interface IdEntry extends Entry {
  readonly id: string;
}

/** The outcome of one claim. */
export interface Claimed {
  /** The number of the granted claim; undefined when it was refused, which only `ifAbsent` can bring. */
  readonly claim: bigint | undefined;
  /** The living holder that the claim replaced, or that kept it from being granted. */
  readonly previous: Entry | undefined;
}

/** The answer to a node that renews its lease. */
export interface Renewal {
  /** Whether this life had no lease before this call: at the first, and after a lapse or a wipe. */
  readonly lapsed: boolean;
  /** All holders of a lease, the caller included. */
  readonly living: readonly Holder[];
  /** Names this content of the storage; another value means that it was wiped and every claim is gone. */
  readonly generation: string;
  /** The holders of the ids that the call named, as `get` returns them; in their order. */
  readonly entries: readonly (Entry | undefined)[];
}

/** How a lease is renewed. */
export interface RenewOptions extends StorageCallOptions {
  /**
   * Ids to look at in the same command, at most {@link MAX_RENEW_IDS}: so a node notices that the storage lost a part of its
   * claims, without a command for each.
   */
  ids?: readonly string[];
}

/** The most ids that one renewal looks at. */
export const MAX_RENEW_IDS = 64;

/** How long a storage call may take. Every implementation has a time limit of its own besides. */
export interface StorageCallOptions {
  signal?: AbortSignal;
}

/**
 * The registry that the nodes of a cluster share: which node holds which id.
 *
 * Every implementation MUST keep the following, and `test/contract/storage.ts` proves it:
 *
 * - Results have the order of the arguments, one for each. An id named twice is handled twice, in order.
 * - A holder whose lease ended MUST be treated as absent by every operation from that moment.
 * - A call either takes effect once or rejects; a claim whose answer was lost MUST NOT be repeated blindly,
 *   because another node may have claimed the id in between.
 * - Ids and topics are any well-formed strings; no two of them, and no prefix, may share a key.
 * - Every failure rejects with a MeshError: `unavailable` when the storage cannot be reached or is too slow,
 *   `failed_precondition` when `set` or `subscribe` is called by a life without a lease.
 */
export interface Storage {
  /** Whether this process alone has it, so that its hubs may share other things in memory. */
  readonly local?: boolean;

  /** Claims ids for a holder. With `ifAbsent` an id that another living holder has is refused; without, the newest wins. */
  set(
    ids: readonly string[],
    holder: Holder,
    options?: StorageCallOptions & { ifAbsent?: boolean },
  ): Promise<Claimed[]>;

  /** The holders of these ids now: only living ones, checked in the same call. */
  get(ids: readonly string[], options?: StorageCallOptions): Promise<(Entry | undefined)[]>;

  /** Gives up claims. Removes an entry only if it still carries that life and that claim number; says which it removed. */
  del(entries: readonly Pick<IdEntry, "id" | "life" | "claim">[], options?: StorageCallOptions): Promise<boolean[]>;

  /** Removes what a dead life left behind; does nothing to a living one. Costs in proportion to its entries. Returns how many entries it removed. */
  clear(holder: Holder, options?: StorageCallOptions): Promise<number>;

  /** Every entry of every living holder, read in pages. An entry that changes meanwhile may be missed or seen as it was. */
  all(options?: StorageCallOptions): AsyncIterable<IdEntry>;

  /**
   * Takes or renews the lease of a life, in one command, and returns the living holders and the entries of some ids.
   * Taking it ends the lease of any older life on the same host in the same step.
   */
  renew(holder: Holder, ttlMs: number, options?: RenewOptions): Promise<Renewal>;

  /** All holders of a lease, without taking one: for callers that are not nodes. */
  living(options?: StorageCallOptions): Promise<Holder[]>;

  /** Ends the lease of a life and removes what it left: what a node does when it closes. */
  leave(holder: Holder, options?: StorageCallOptions): Promise<void>;

  /** Records that a node wants a topic and returns the nodes that publish to it from a cache, in one step. */
  subscribe(topic: string, holder: Holder, options?: StorageCallOptions): Promise<Holder[]>;

  /** Records that a node no longer wants a topic. */
  unsubscribe(topic: string, holder: Holder, options?: StorageCallOptions): Promise<void>;

  /**
   * Which living nodes want a topic. A caller that will cache the answer names itself as `publisher`
   * and is marked in the same step, so that the next first subscriber tells it.
   */
  subscribers(topic: string, publisher?: Holder, options?: StorageCallOptions): Promise<Holder[]>;

  /** Releases what the implementation itself holds open. The entries stay. */
  close(): Promise<void>;
}

/** One thing that is wrong with a storage, and what to change. */
export interface StorageFinding {
  /** Names the storage's host. */
  readonly text: string;
  readonly fix: string;
}

/**
 * A storage that can tell what is wrong with it. Optional: {@link canCheck} says whether a storage does.
 *
 * A node asks before it becomes ready; `renew` MUST reject (`failed_precondition`) by itself for a fault that would lose
 * claims without a word.
 */
export interface CheckedStorage extends Storage {
  /** Looks for everything that keeps this storage from serving a cluster; empty if nothing does. Rejects only if the caller gave up. */
  check(options?: StorageCallOptions): Promise<StorageFinding[]>;
}

/** Whether a storage can tell what is wrong with it. */
export function canCheck(storage: Storage): storage is CheckedStorage {
  return typeof (storage as Partial<CheckedStorage>).check === "function";
}

const METHODS: Readonly<Record<Exclude<keyof Storage, "local">, true>> = {
  set: true,
  get: true,
  del: true,
  clear: true,
  all: true,
  renew: true,
  living: true,
  leave: true,
  subscribe: true,
  unsubscribe: true,
  subscribers: true,
  close: true,
};

/** Throws a TypeError (`invalid_argument`) unless it has the methods of a {@link Storage}. */
export function checkStorage(storage: unknown): asserts storage is Storage {
  if (typeof storage === "string") throw missingStorage("storage must be a storage, not a string");
  if (storage === undefined) throw missingStorage("storage is missing");
  checkObject("storage", storage, Object.keys(METHODS));
}

/** The error (`invalid_argument`) for a place that has no storage, with the one to write there. */
export function missingStorage(what: string): TypeError {
  return invalidArgument(`${what}: write { storage: new RedisStorage("redis://…") }`);
}
