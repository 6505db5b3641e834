import "../../base/check/check-node.ts";
import { checkName } from "../../base/check/check.ts";
import { throwIfAborted } from "../abort.ts";
import { checkHolder, checkRenewIds } from "../check-holder.ts";
import { claimSlices } from "../claim-slices.ts";
import { EtcdClaims } from "./claims.ts";
import { EtcdClient } from "./client.ts";
import type { EtcdConfig } from "./http.ts";
import { faultsOf } from "./findings.ts";
import { type EtcdKeys, etcdKeysOf } from "./keys.ts";
import { EtcdLives } from "./lives.ts";
import { EtcdTopics } from "./topics.ts";
import { entryOf, livesBy, livingEntries } from "./value.ts";
import { inWaves, transactionSlices } from "./waves.ts";
import { beginsWith, branch, type Bytes, read, remove, writtenAt } from "./wire.ts";
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

export type { EtcdConfig, EtcdRequestInit } from "./http.ts";

/** The longest id or topic, in bytes: etcd refuses a request over 1.5 MiB, and a request holds a key more than once. */
const MAX_NAME_BYTES = 150_000;

const PAGE_ENTRIES = 500;

/**
 * A {@link Storage} in etcd (3.4 or later), reached over its own JSON gateway.
 *
 * ```ts
 * import { DistHub } from "meshsocket";
 * import { EtcdStorage } from "meshsocket/etcd";
 *
 * const storage = new EtcdStorage({ endpoints: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"] }, "chat:");
 * const hub = new DistHub({ storage, secret });
 * ```
 *
 * Every key begins with the prefix and is attached to a lease, so that etcd itself removes what a dead node left.
 * A request that finds no answer at one endpoint goes to the next, and stays there. The claims of one life are made one
 * transaction after another; a claim number is a revision of the store, the same for ids that one transaction claimed.
 * The constructor throws a TypeError (`invalid_argument`) for bad endpoints, credentials or prefix.
 * An aborted `set` may have taken effect; its claims are then given back.
 */
export class EtcdStorage implements CheckedStorage {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #lives: EtcdLives;
  readonly #claims: EtcdClaims;
  readonly #topics: EtcdTopics;

  /** `prefix` names the cluster: hubs with the same one see each other. Default "websocket". */
  constructor(config: EtcdConfig, prefix = "websocket") {
    this.#client = new EtcdClient(config);
    this.#keys = etcdKeysOf(prefix);
    this.#lives = new EtcdLives(this.#client, this.#keys);
    this.#claims = new EtcdClaims(this.#client, this.#keys, this.#lives);
    this.#topics = new EtcdTopics(this.#client, this.#keys, this.#lives);
  }

  async set(
    ids: readonly string[],
    holder: Holder,
    options: StorageCallOptions & { ifAbsent?: boolean } = {},
  ): Promise<Claimed[]> {
    const { ifAbsent = false, signal } = options;
    checkHolder(holder);
    for (const id of ids) checkName("id", id, MAX_NAME_BYTES);
    const claim = (slice: readonly string[]): Promise<Claimed[]> => this.#claims.claim(slice, holder, ifAbsent);
    const slices = transactionSlices(ids, (id) => this.#keys.connection(id));
    return await claimSlices(slices, claim, { storage: this, holder, signal });
  }

  async get(ids: readonly string[], options: StorageCallOptions = {}): Promise<(Entry | undefined)[]> {
    throwIfAborted(options.signal);
    for (const id of ids) checkName("id", id, MAX_NAME_BYTES);
    const keys = ids.map((id) => this.#keys.connection(id));
    return (await inWaves(transactionSlices(keys, (key) => key), (slice) => this.#entries(slice, options))).flat();
  }

  async del(
    entries: readonly Pick<IdEntry, "id" | "life" | "claim">[],
    options: StorageCallOptions = {},
  ): Promise<boolean[]> {
    throwIfAborted(options.signal);
    const removed: boolean[] = [];
    for (const slice of transactionSlices(entries, ({ id }) => this.#keys.connection(id))) {
      const ops = slice.map(({ id, life, claim }) => {
        const key = this.#keys.connection(id);
        return branch([writtenAt(key, claim), ...beginsWith(key, life)], [remove(key)]);
      });
      const { answers } = await this.#client.txn([], ops, [], options);
      for (const { nested } of answers) {
        const before = nested?.answers[0]?.before;
        removed.push(before !== undefined);
        if (before) this.#lives.freed(before.lease);
      }
    }
    return removed;
  }

  async clear(holder: Holder, options: StorageCallOptions = {}): Promise<number> {
    checkHolder(holder);
    return await this.#lives.clear(holder, options.signal);
  }

  async *all(options: StorageCallOptions = {}): AsyncIterable<IdEntry> {
    let { key } = this.#keys.connections;
    const { end } = this.#keys.connections;
    for (;;) {
      const ops = [read({ key, end }, { limit: PAGE_ENTRIES }), read(this.#keys.nodes)];
      const { answers: [page, nodes] } = await this.#client.txn([], ops, [], options);
      const lives = livesBy(this.#keys, nodes);
      const found = page?.found ?? [];
      for (const one of found) {
        const entry = entryOf(one);
        if (lives(entry)) yield { id: this.#keys.idOf(one.key), ...entry };
      }
      if (found.length < PAGE_ENTRIES) return;
      key = `${found.at(-1)?.key}\0`;
    }
  }

  /** A lease lasts whole seconds, rounded up, and at least as long as etcd's election takes (2 s by default). */
  async renew(holder: Holder, ttlMs: number, { signal, ids = [] }: RenewOptions = {}): Promise<Renewal> {
    checkHolder(holder);
    checkRenewIds(ids);
    throwIfAborted(signal);
    return await this.#lives.renew(holder, ttlMs, ids.map((id) => this.#keys.connection(id)), signal);
  }

  /**
   * Looks whether an etcd can be reached, takes writes, has space left, and lets this user read and write under the prefix. One
   * request, which writes nothing.
   *
   * ```ts
   * for (const { text, fix } of await storage.check()) console.error(`${text}: ${fix}`);
   * ```
   */
  async check({ signal }: StorageCallOptions = {}): Promise<StorageFinding[]> {
    return await faultsOf(this.#client, this.#keys, signal);
  }

  async living(options: StorageCallOptions = {}): Promise<Holder[]> {
    return await this.#lives.living(options.signal);
  }

  async leave(holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    checkHolder(holder);
    await this.#lives.leave(holder, options.signal);
  }

  async subscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    checkName("topic", topic, MAX_NAME_BYTES);
    checkHolder(holder);
    throwIfAborted(options.signal);
    return await this.#topics.add("subscribers", topic, holder, options.signal);
  }

  async unsubscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    checkName("topic", topic, MAX_NAME_BYTES);
    await this.#topics.remove("subscribers", topic, holder, options.signal);
  }

  async subscribers(topic: string, publisher?: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    checkName("topic", topic, MAX_NAME_BYTES);
    throwIfAborted(options.signal);
    if (publisher === undefined) return await this.#topics.list("subscribers", topic, options.signal);
    checkHolder(publisher);
    return await this.#topics.add("publishers", topic, publisher, options.signal);
  }

  /** After this every call rejects (`failed_precondition`). */
  async close(): Promise<void> {
    this.#client.close();
  }

  async #entries(keys: readonly Bytes[], options: StorageCallOptions): Promise<(Entry | undefined)[]> {
    const ops = [read(this.#keys.nodes), ...keys.map((key) => read(key))];
    const { answers: [nodes, ...rest] } = await this.#client.txn([], ops, [], options);
    return livingEntries(this.#keys, nodes, rest);
  }
}
