import type { Clients } from "../client/clients.ts";
import { CloseCode } from "../base/close-code.ts";
import type { Connection } from "../client/connection.ts";
import { type Entry, type Holder, MAX_RENEW_IDS, type Storage } from "../storage/storage.ts";

/** What {@link Reclaim} stands on. */
export interface ReclaimOptions<Data> {
  storage: Storage;
  holder: () => Holder;
  clients: Clients<Data>;
}

const IDS_AT_ONCE = 500;
/** Of the ids that a renewal looks at, those that were claimed last: what a failover loses is the newest. */
const RECENT_IDS = MAX_RENEW_IDS / 2;

/**
 * Makes this node's claims again after the storage lost them, unless somebody else took the id meanwhile.
 *
 * That the storage lost a part is noticed by samples, one with each renewal of the lease: the newest claims, and the others in turn.
 */
export class Reclaim<Data> {
  readonly #options: ReclaimOptions<Data>;
  #recent: Connection<Data>[] = [];
  #turn: Iterator<Connection<Data>> | undefined;
  #sample: readonly { readonly connection: Connection<Data>; readonly claim: bigint }[] = [];

  constructor(options: ReclaimOptions<Data>) {
    this.#options = options;
  }

  /** Claims every id of this node. Rejects when the storage fails. */
  async all(): Promise<void> {
    for (const connections of this.#slices()) await this.#claim(connections);
  }

  /** Claims one client's id; a client that cannot be claimed is sent away, to come back. Never rejects. */
  async one(connection: Connection<Data>): Promise<void> {
    try {
      await this.#claim([connection]);
    } catch {
      connection.close(CloseCode.TryAgainLater, "the storage does not answer");
    }
  }

  /** Claims the ids of this node that the storage does not show as its own; says how many. Rejects when the storage fails. */
  async missing(): Promise<number> {
    let missing = 0;
    for (const connections of this.#slices()) {
      const entries = await this.#options.storage.get(connections.map(({ id }) => id));
      const lost = connections.filter(({ open, claim }, index) => open && entries[index]?.claim !== claim);
      missing += lost.length;
      if (lost.length > 0) await this.#claim(lost);
    }
    return missing;
  }

  /** A claim was granted, and its connection stands. */
  claimed(connection: Connection<Data>): void {
    this.#recent.push(connection);
    if (this.#recent.length > RECENT_IDS) this.#recent.shift();
  }

  /** The ids that the next renewal looks at. */
  sample(): readonly string[] {
    const connections = new Set(this.#recent);
    this.#turn ??= this.#options.clients.values();
    while (connections.size < MAX_RENEW_IDS) {
      const next = this.#turn.next();
      if (next.done === true) {
        this.#turn = undefined;
        break;
      }
      connections.add(next.value);
    }
    const open = [...connections].filter((connection) => connection.open);
    this.#sample = open.map((connection) => ({ connection, claim: connection.claim }));
    return open.map(({ id }) => id);
  }

  /** Whether what stands at the ids of the sample shows that the storage lost claims. */
  isLost(entries: readonly (Entry | undefined)[]): boolean {
    const { clients, holder } = this.#options;
    const { life } = holder();
    let lost = false;
    for (const [index, { connection, claim }] of this.#sample.entries()) {
      const entry = entries[index];
      const changed = !connection.open || connection.claim !== claim || clients.get(connection.id) !== connection;
      if (changed || (entry?.life === life && entry.claim >= claim)) continue;
      // Somebody else's: it is told to close, unless who took it ended before it could tell.
      if (entry && entry.life !== life) this.#claim([connection]).catch(() => {});
      else lost = true;
    }
    this.#recent = [];
    this.#sample = [];
    return lost;
  }

  *#slices(): Iterable<Connection<Data>[]> {
    const connections = [...this.#options.clients.values()];
    for (let start = 0; start < connections.length; start += IDS_AT_ONCE) {
      yield connections.slice(start, start + IDS_AT_ONCE).filter(({ open }) => open);
    }
  }

  async #claim(connections: readonly Connection<Data>[]): Promise<void> {
    const { storage, holder } = this.#options;
    const { life } = holder();
    const ids = connections.map(({ id }) => id);
    const results = await storage.set(ids, holder(), { ifAbsent: true });
    const unwanted: { id: string; life: string; claim: bigint }[] = [];
    for (const [index, connection] of connections.entries()) {
      const claim = results[index]?.claim;
      if (claim === undefined) connection.close(CloseCode.Replaced, "replaced by a newer connection");
      else if (connection.open) connection.claim = claim;
      else unwanted.push({ id: connection.id, life, claim });
    }
    if (unwanted.length > 0) await storage.del(unwanted);
  }
}
