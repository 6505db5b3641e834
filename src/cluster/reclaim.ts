import type { Clients } from "../client/clients.ts";
import { CloseCode } from "../base/close-code.ts";
import type { Evictions } from "./evictions.ts";
import type { HubClient } from "../client/hub-client.ts";
import { MAX_LEAVING_MS } from "../client/resume/handover.ts";
import { replace } from "../client/resume/replace.ts";
import { unref } from "../base/tick.ts";
import { type Entry, type Holder, MAX_RENEW_IDS, type Storage } from "../storage/storage.ts";

const IDS_AT_ONCE = 500;
/** Of the ids that a renewal looks at, those that were claimed last: what a failover loses is the newest. */
const RECENT_IDS = MAX_RENEW_IDS / 2;

/**
 * Makes this node's claims again after the storage lost them, unless another node took the id meanwhile.
 *
 * Samples show that the storage lost a part, one with each renewal of the lease: the newest claims, and the others in turn.
 * Of two claims the larger is the newer. So an entry of another node with a smaller claim than the one that was granted here
 * shows that the storage lost its last writes: the id is taken back.
 */
export class Reclaim<Data> {
  readonly #deps: ReclaimDependencies<Data>;
  #recent: HubClient<Data>[] = [];
  #turn: Iterator<HubClient<Data>> | undefined;
  /** Clients that another node claimed, which has not asked for them yet. */
  readonly #wanted = new Set<HubClient<Data>>();
  /** Whether a life of this node ended since it claimed all its ids. */
  #begun = false;
  #sample: readonly { readonly connection: HubClient<Data>; readonly claim: bigint }[] = [];

  constructor(deps: ReclaimDependencies<Data>) {
    this.#deps = deps;
  }

  /** The storage was wiped and may count from the start: whatever it grants from now on is newer than what it granted before. */
  wiped(): void {
    for (const connection of this.#deps.clients.values()) connection.claim = 0n;
  }

  /**
   * This node has another life: nobody asks for the clients of the one that ended. Those that wait for another node to
   * take them are given up: that node cannot, and they may be back elsewhere already.
   */
  begun(): void {
    this.#begun = true;
    for (const client of [...this.#deps.clients.values()]) {
      if (client.leaving) replace(client);
    }
  }

  /** Claims every id of this node. Rejects if the storage fails. */
  async all(): Promise<void> {
    for (const connections of this.#slices()) await this.#claim(connections);
    this.#begun = false;
  }

  /** Claims one client's id. If that fails the client is closed with 1013, so that it comes back. Never rejects. */
  async one(connection: HubClient<Data>): Promise<void> {
    if (connection.leaving) return;
    try {
      await this.#claim([connection]);
    } catch {
      connection.close(CloseCode.TryAgainLater, "the storage does not answer");
    }
  }

  /** Claims an id again that another node claimed in vain: its client stays here. Never rejects. */
  async again(client: HubClient<Data>): Promise<void> {
    const { storage, node: { holder } } = this.#deps;
    const unwanted: Unwanted[] = [];
    try {
      const [granted] = await storage.set([client.id], holder);
      if (granted?.claim !== undefined) keep(client, { life: holder.life, claim: granted.claim }, unwanted);
      if (unwanted.length > 0) await storage.del(unwanted);
    } catch {
      // The renewals of the lease find that the claim is not in the storage.
    }
  }

  /** Claims the ids of this node that the storage does not show as its own; returns how many. Rejects if the storage fails. */
  async missing(): Promise<number> {
    let missing = 0;
    for (const connections of this.#slices()) {
      const entries = await this.#deps.storage.get(connections.map(({ id }) => id));
      const lost = connections.filter((client, index) => isOurs(client) && entries[index]?.claim !== client.claim);
      missing += lost.length;
      if (lost.length > 0) await this.#claim(lost);
    }
    return missing;
  }

  /** A claim was granted, and its connection is open. */
  claimed(connection: HubClient<Data>): void {
    this.#recent.push(connection);
    if (this.#recent.length > RECENT_IDS) this.#recent.shift();
  }

  /** The ids that the next renewal looks at. */
  sample(): readonly string[] {
    const connections = new Set(this.#recent);
    this.#turn ??= this.#deps.clients.values();
    while (connections.size < MAX_RENEW_IDS) {
      const next = this.#turn.next();
      if (next.done === true) {
        this.#turn = undefined;
        break;
      }
      connections.add(next.value);
    }
    const open = [...connections].filter(isOurs);
    this.#sample = open.map((connection) => ({ connection, claim: connection.claim }));
    return open.map(({ id }) => id);
  }

  /** Whether the entries of the sample's ids show that the storage lost claims. */
  isLost(entries: readonly (Entry | undefined)[]): boolean {
    const { clients, node } = this.#deps;
    const { life } = node.holder;
    let lost = false;
    for (const [index, { connection, claim }] of this.#sample.entries()) {
      const entry = entries[index];
      const changed = !isOurs(connection) || connection.claim !== claim || clients.get(connection.id) !== connection;
      if (changed || (entry?.life === life && entry.claim >= claim)) continue;
      // Taken over: the node that took it says so, unless it died before it could.
      if (entry && entry.life !== life && entry.claim > claim) this.#claim([connection]).catch(() => {});
      else lost = true;
    }
    this.#recent = [];
    this.#sample = [];
    return lost;
  }

  *#slices(): Iterable<HubClient<Data>[]> {
    const connections = [...this.#deps.clients.values()];
    for (let start = 0; start < connections.length; start += IDS_AT_ONCE) {
      yield connections.slice(start, start + IDS_AT_ONCE).filter(isOurs);
    }
  }

  /**
   * Another node has the id: closes the client. One that may have come back there has some time before that, in which the
   * other node asks for it; not if the life that it asks ended: it may have begun there as a new client, and would be held here as well.
   */
  #replaced(client: HubClient<Data>): void {
    if (client.leaving || this.#wanted.has(client)) return;
    if (!client.v1 || this.#begun) return replace(client);
    this.#wanted.add(client);
    unref(setTimeout(() => void this.#lookAgain(client), MAX_LEAVING_MS));
  }

  async #lookAgain(client: HubClient<Data>): Promise<void> {
    const [entry] = await this.#deps.storage.get([client.id]).catch(() => []);
    this.#wanted.delete(client);
    if (isOurs(client) && entry && entry.life !== this.#deps.node.holder.life) replace(client);
  }

  async #claim(connections: readonly HubClient<Data>[]): Promise<void> {
    const { storage, node: { holder } } = this.#deps;
    const { life } = holder;
    const ids = connections.map(({ id }) => id);
    const results = await storage.set(ids, holder, { ifAbsent: true });
    const unwanted: Unwanted[] = [];
    const older: HubClient<Data>[] = [];
    for (const [index, connection] of connections.entries()) {
      const { claim, previous } = results[index] ?? {};
      if (claim !== undefined) keep(connection, { life, claim }, unwanted);
      else if (previous && previous.claim < connection.claim) older.push(connection);
      else this.#replaced(connection);
    }
    if (older.length > 0) await this.#takeBack(older, unwanted);
    if (unwanted.length > 0) await storage.del(unwanted);
  }

  /** Claims ids from nodes whose claim is older: the storage lost the newer one. */
  async #takeBack(connections: readonly HubClient<Data>[], unwanted: Unwanted[]): Promise<void> {
    const { storage, node: { holder }, evictions } = this.#deps;
    const { life } = holder;
    const results = await storage.set(connections.map(({ id }) => id), holder);
    for (const [index, connection] of connections.entries()) {
      const { claim, previous } = results[index] ?? {};
      if (claim === undefined) continue;
      if (previous && previous.life !== life && previous.claim > connection.claim) {
        // Another node claimed it a moment ago. It claims again what is given up here.
        unwanted.push({ id: connection.id, life, claim });
        this.#replaced(connection);
        continue;
      }
      if (previous && previous.life !== life) void evictions.evict(previous, connection.id, claim);
      keep(connection, { life, claim }, unwanted);
    }
  }
}

/** Dependencies of {@link Reclaim}. */
export interface ReclaimDependencies<Data> {
  storage: Storage;
  node: { readonly holder: Holder };
  clients: Clients<Data>;
  /** Has a node close its connection of an id that was taken from it. */
  evictions: Evictions;
}

/** A claim that was granted for a connection that is no longer open. */
interface Unwanted {
  readonly id: string;
  readonly life: string;
  readonly claim: bigint;
}

/** Whether a client is to have its claim here: one that leaves has that of the node that takes it. */
function isOurs<Data>({ open, leaving }: HubClient<Data>): boolean {
  return open && !leaving;
}

function keep<Data>(connection: HubClient<Data>, granted: Omit<Unwanted, "id">, unwanted: Unwanted[]): void {
  if (isOurs(connection)) connection.claim = granted.claim;
  else unwanted.push({ id: connection.id, ...granted });
}
