import type { Clients } from "./clients.ts";
import { CloseCode } from "./close-code.ts";
import type { Connection } from "./connection.ts";
import type { Holder, Storage } from "./storage/storage.ts";

/** What {@link Reclaim} stands on. */
export interface ReclaimOptions<Data> {
  storage: Storage;
  holder: () => Holder;
  clients: Clients<Data>;
}

const IDS_AT_ONCE = 500;

/** Makes this node's claims again after the storage lost them, unless somebody else took the id meanwhile. */
export class Reclaim<Data> {
  readonly #options: ReclaimOptions<Data>;

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
