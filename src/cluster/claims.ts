import { Batcher } from "../base/batcher.ts";
import { DistSession } from "./dist-session.ts";
import { MeshError } from "../base/error.ts";
import type { Claimed, Holder, IdEntry, Storage } from "../storage/storage.ts";

/** What {@link Claims} stand on. */
export interface ClaimsOptions {
  storage: Storage;
  /** The present life; undefined before the node joined. */
  holder: () => Holder | undefined;
  /** Refuse an id that another living node holds, rather than taking it over. */
  ifAbsent: boolean;
  /** Why this node takes no clients now; undefined if it does. */
  refusal: () => MeshError | undefined;
  /** Whether a connection of this node has the id. */
  holds: (id: string) => boolean;
  /** The storage did not answer. */
  onFailure: (error: unknown) => void;
  /** Claims and releases that may wait for the storage. */
  maxWaiting: number;
}

/** How long claims are refused at once after the storage did not answer one. */
const REFUSE_MS = 500;

type Release = Pick<IdEntry, "id" | "life" | "claim">;

/** A node's claims on ids: made and released in batches, each release naming exactly the claim that it ends. */
export class Claims {
  readonly #options: ClaimsOptions;
  readonly #claims: Batcher<string, { claimed: Claimed; holder: Holder }>;
  readonly #releases: Batcher<Release, boolean>;
  /** Ids between the start of their claim and the end of their admission, with the newest claim that evicts them. */
  readonly #pending = new Map<string, { sessions: number; evictedBy: bigint; lost: boolean }>();
  #refuseUntilMs = 0;
  /** Releases that the storage did not take: tried again when it answers. */
  #unreleased: Release[] = [];

  constructor(options: ClaimsOptions) {
    this.#options = options;
    const limits = {
      maxWaiting: options.maxWaiting,
      full: () => new MeshError("unavailable", "too many claims wait for the storage"),
    };
    this.#claims = new Batcher((ids) => this.#claimAll(ids), limits);
    this.#releases = new Batcher((entries) => options.storage.del(entries), limits);
  }

  /**
   * Claims an id. Rejects with `already_exists` when it is held and `ifAbsent` is set, and with what the storage
   * says. End the admission with {@link Claims.settle}.
   */
  async claim(id: string): Promise<DistSession> {
    const { ifAbsent, holds, refusal } = this.#options;
    const refused = refusal();
    if (refused) throw refused;
    // The storage sees only that the same node has the id, not that it is for another connection.
    if (ifAbsent && (holds(id) || this.#pending.has(id))) throw heldAlready();
    const pending = this.#pending.get(id) ?? { sessions: 0, evictedBy: 0n, lost: false };
    pending.sessions++;
    this.#pending.set(id, pending);
    try {
      const { claimed, holder } = await this.#claims.add(id);
      if (claimed.claim === undefined) throw heldAlready();
      return new DistSession(id, holder, claimed.claim, claimed.previous);
    } catch (error) {
      this.#settle(id);
      throw error;
    }
  }

  /** The admission of a session ended; says in it whether a newer claim came meanwhile. */
  settle(session: DistSession): void {
    const pending = this.#pending.get(session.id);
    session.replaced = (pending?.evictedBy ?? 0n) > session.claim;
    session.lost = pending?.lost ?? false;
    this.#settle(session.id);
  }

  /** The storage lost what it knew: who is being admitted may have been claimed in vain. */
  lost(): void {
    for (const pending of this.#pending.values()) pending.lost = true;
  }

  /** Another node claimed the id: who is being admitted under an older claim must not stay. */
  evict(id: string, claim: bigint): void {
    const pending = this.#pending.get(id);
    if (pending && claim > pending.evictedBy) pending.evictedBy = claim;
  }

  /** Gives up a claim. Never rejects: what the storage does not take is tried again with {@link Claims.retryReleases}. */
  release(id: string, life: string, claim: bigint): void {
    const entry: Release = { id, life, claim };
    this.#releases.add(entry).catch(() => {
      if (this.#unreleased.length < this.#options.maxWaiting) this.#unreleased.push(entry);
    });
  }

  /** Tries again what could not be released. */
  retryReleases(): void {
    const entries = this.#unreleased;
    this.#unreleased = [];
    for (const { id, life, claim } of entries) this.release(id, life, claim);
  }

  #settle(id: string): void {
    const pending = this.#pending.get(id);
    if (pending && --pending.sessions === 0) this.#pending.delete(id);
  }

  async #claimAll(ids: string[]): Promise<{ claimed: Claimed; holder: Holder }[]> {
    const holder = this.#options.holder();
    if (!holder) throw new MeshError("failed_precondition", "this node has not joined its cluster");
    // Who waited behind a claim that found no storage would find none either, only later.
    if (performance.now() < this.#refuseUntilMs) {
      throw new MeshError("unavailable", "the storage did not answer a moment ago");
    }
    try {
      const results = await this.#options.storage.set(ids, holder, { ifAbsent: this.#options.ifAbsent });
      return results.map((claimed) => ({ claimed, holder }));
    } catch (error) {
      this.#refuseUntilMs = performance.now() + REFUSE_MS;
      this.#options.onFailure(error);
      throw error;
    }
  }
}

function heldAlready(): MeshError {
  return new MeshError("already_exists", "the id is connected already");
}
