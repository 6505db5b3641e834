import { randomId } from "../../base/random-id.ts";
import { noLease } from "../check-holder.ts";
import type { EtcdClient } from "./client.ts";
import type { EtcdKeys } from "./keys.ts";
import { EtcdLife } from "./life.ts";
import { livingEntries, livingOf, wordsOf } from "./value.ts";
import { inWaves } from "./waves.ts";
import {
  type Answer,
  attachedTo,
  beginsWith,
  branch,
  type Bytes,
  type KeyValue,
  type Operation,
  put,
  read,
  remove,
  textOf,
  writtenAt,
} from "./wire.ts";
import type { Holder, Renewal } from "../storage.ts";

/** The lives of a cluster, their leases, and the leases of their keys. */
export class EtcdLives {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #known = new Map<string, EtcdLife>();

  constructor(client: EtcdClient, keys: EtcdKeys) {
    this.#client = client;
    this.#keys = keys;
  }

  /** A life that has a lease, as far as is known here. Rejects (`failed_precondition`) if it has none. */
  async of(holder: Holder): Promise<EtcdLife> {
    const known = this.#known.get(holder.life);
    if (known?.lease) return known;
    const reads = [read(this.#keys.node(holder.host)), read(this.#keys.leases(holder.life))];
    const { answers: [node, leases] } = await this.#client.txn([], reads);
    const found = node?.found[0];
    if (found === undefined || wordsOf(found)[0] !== holder.life) throw noLease();
    const life = new EtcdLife(holder, this.#client, this.#keys, found.lease, found.modRevision);
    for (const name of this.#namesIn(leases)) life.room.add(name);
    this.#known.set(life.life, life);
    return life;
  }

  /** A key is no longer attached to this lease. */
  freed(lease: string): void {
    for (const { room } of this.#known.values()) room.freed(lease);
  }

  /** Renews or takes the lease of a life; `connections` are the keys to look at in the same step. */
  async renew(holder: Holder, ttlMs: number, connections: readonly Bytes[], signal?: AbortSignal): Promise<Renewal> {
    const ttlS = Math.max(1, Math.ceil(ttlMs / 1_000));
    const life = this.#known.get(holder.life) ?? new EtcdLife(holder, this.#client, this.#keys);
    this.#known.set(life.life, life);
    const view = [
      read(this.#keys.nodes),
      read(this.#keys.generation),
      read(this.#keys.leases(life.life)),
      ...connections.map((key) => read(key)),
    ];
    const kept = life.told && life.ttlS === ttlS && !life.broken ? await this.#keep(life, view, signal) : undefined;
    return kept ?? await life.inTurn(() => this.#take(life, ttlS, view, signal));
  }

  /** All living holders. */
  async living(signal?: AbortSignal): Promise<Holder[]> {
    const { answers } = await this.#client.txn([], [read(this.#keys.nodes)], [], { signal });
    return livingOf(this.#keys, answers[0]);
  }

  /** Removes what a dead life left; answers how many connections. */
  async clear(holder: Holder, signal?: AbortSignal): Promise<number> {
    const lives = beginsWith(this.#keys.node(holder.host), holder.life);
    const left = [read(this.#keys.leases(holder.life))];
    const { succeeded, answers } = await this.#client.txn(lives, [], left, { signal });
    if (succeeded) return 0;
    this.#known.delete(holder.life);
    // A life that takes a lease again takes new ones for its keys, so that these stay a dead life's.
    const counts = await inWaves(this.#namesIn(answers[0]), async (name) => {
      const attached = await this.#client.keysOfLease(name, { signal });
      await this.#client.revoke(name, { signal });
      return attached.filter((key) => this.#keys.isConnection(key)).length;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async leave(holder: Holder, signal?: AbortSignal): Promise<void> {
    const node = this.#keys.node(holder.host);
    const leases = read(this.#keys.leases(holder.life));
    const known = this.#known.get(holder.life);
    this.#known.delete(holder.life);
    const { succeeded, answers } = await this.#client.txn(
      beginsWith(node, holder.life),
      [leases, remove(node)],
      [leases],
      { signal },
    );
    const own = succeeded ? answers[1]?.before?.lease : known?.lease;
    const names = new Set([...this.#namesIn(answers[0]), ...(known?.room.names ?? []), ...(own ? [own] : [])]);
    await inWaves([...names], (name) => this.#client.revoke(name, { signal }));
  }

  /** Renews all leases of a life, in one round; undefined if one of them is lost, or the store is. */
  async #keep(life: EtcdLife, view: readonly Operation[], signal?: AbortSignal): Promise<Renewal | undefined> {
    const leases = [life.lease, ...life.room.names];
    const [kept, { succeeded, answers }] = await Promise.all([
      this.#client.keepAlive(leases, { signal }),
      this.#client.txn([attachedTo(this.#keys.node(life.host), life.lease)], view, [], { signal }),
    ]);
    if (succeeded && leases.every((lease) => kept.has(lease)) && answers[1]?.found[0]) {
      return this.#renewal(life, answers, answers.slice(3), false);
    }
    life.broken = true;
    return undefined;
  }

  /** Takes the lease of a life, and ends in the same step whichever other life its host had. */
  async #take(life: EtcdLife, ttlS: number, view: readonly Operation[], signal?: AbortSignal): Promise<Renewal> {
    const { told } = life;
    // If the answer is lost, the next renewal must tell of a lapse that this one may have ended.
    life.told = false;
    const node = this.#keys.node(life.host);
    const lease = await this.#client.grant(ttlS, { signal });
    const ops = [
      put(node, `${life.life} ${randomId()}`, lease),
      branch([writtenAt(this.#keys.generation, 0n)], [put(this.#keys.generation, randomId())]),
      ...view,
    ];
    const { succeeded, revision, answers } = await this.#client.txn(beginsWith(node, life.life), ops, ops, { signal });
    const [taken, , nodes, generation, leases, ...found] = answers;
    const lost = life.broken || !succeeded;
    if (lost) {
      this.#revokeLater([...life.room.names, ...this.#namesIn(leases)]);
      life.room.clear();
    }
    this.#endFormer(life, taken?.before);
    Object.assign(life, { lease, ttlS, fence: revision, broken: false });
    return this.#renewal(life, [nodes, generation, lost ? undefined : leases], found, lost || !told);
  }

  #renewal(
    life: EtcdLife,
    [nodes, generation, leases]: readonly (Answer | undefined)[],
    found: readonly Answer[],
    lapsed: boolean,
  ): Renewal {
    // Another storage of the same life may have taken more.
    for (const name of this.#namesIn(leases)) life.room.add(name);
    life.told = true;
    return {
      lapsed,
      living: livingOf(this.#keys, nodes),
      generation: textOf(generation?.found[0]?.value ?? ""),
      entries: livingEntries(this.#keys, nodes, found),
    };
  }

  /** The earlier value of the node key: an older life of the host, or an older lease of this one. If this fails, etcd ends its leases. */
  #endFormer(life: EtcdLife, before: KeyValue | undefined): void {
    if (before === undefined) return;
    this.#revokeLater([before.lease]);
    const [former = ""] = wordsOf(before);
    if (former !== life.life) this.clear({ host: life.host, life: former }).catch(() => {});
  }

  #revokeLater(leases: readonly string[]): void {
    inWaves([...new Set(leases)], (lease) => this.#client.revoke(lease)).catch(() => {});
  }

  #namesIn(leases: Answer | undefined): string[] {
    return (leases?.found ?? []).map(({ key }) => this.#keys.leaseOf(key));
  }
}
