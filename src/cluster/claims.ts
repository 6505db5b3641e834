import { Batcher } from "../base/batcher.ts";
import { DistSession } from "./dist-session.ts";
import { errorCode, MeshError } from "../base/error.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { Claimed, Entry, Holder, IdEntry, Storage } from "../storage/storage.ts";

/** How long claims are refused at once after the storage did not answer one. */
const REFUSE_MS = 500;
/** Between two commands of claims, and of releases. When many connect, a command for each tick costs more than the rest of a connect. */
const SPACE_MS = 2;
/** Ids that are read back in one command. */
const IDS_AT_ONCE = 500;

type Release = Pick<IdEntry, "id" | "life" | "claim">;

/** A node's claims on ids: made and released in batches, each release naming exactly the claim that it ends. */
export class Claims {
  readonly #deps: ClaimsDependencies;
  readonly #claims: Batcher<string, Granted>;
  readonly #releases: Batcher<Release, boolean>;
  /** Ids between the start of their claim and the end of their admission, with the newest claim that evicts them. */
  readonly #pending = new Map<string, { sessions: number; evictedBy: bigint; lost: boolean }>();
  #refuseUntilMs = 0;
  /** Releases that the storage did not take: tried again when it answers. */
  #unreleased: Release[] = [];
  /** Ids whose claim got no answer, with the life that claimed them: it may have been granted. */
  #unanswered = new Map<string, string>();

  constructor(deps: ClaimsDependencies) {
    this.#deps = deps;
    const limits = {
      spaceMs: SPACE_MS,
      maxWaiting: deps.maxWaiting,
      full: () => new MeshError("unavailable", "too many claims wait for the storage"),
    };
    this.#claims = new Batcher((ids) => this.#claimAll(ids), limits);
    this.#releases = new Batcher((entries) => deps.storage.del(entries), limits);
  }

  /**
   * Claims an id. Rejects with `already_exists` if it is held, `ifAbsent` is set, and it is not the client itself that comes back, with the reason why this node takes no
   * clients, and with the error of the storage. End the admission with {@link Claims.settle}.
   */
  async claim(id: string, resume?: ResumeOffer, comesBack = false): Promise<DistSession> {
    const { ifAbsent, clients, node } = this.#deps;
    const { refusal } = node;
    if (refusal) throw refusal;
    // The storage sees only that the same node has the id, not that it is for another connection.
    if (ifAbsent && ((clients.get(id) && !comesBack) || this.#pending.has(id))) throw heldAlready();
    const pending = this.#pending.get(id) ?? { sessions: 0, evictedBy: 0n, lost: false };
    pending.sessions++;
    this.#pending.set(id, pending);
    try {
      return await this.#claim(id, resume);
    } catch (error) {
      this.#settle(id);
      throw error;
    }
  }

  /** Whether the id is between its claim and the end of its admission. */
  isPending(id: string): boolean {
    return this.#pending.has(id);
  }

  /** The admission of a session ended; sets in it whether a newer claim came meanwhile. */
  settle(session: DistSession): void {
    const pending = this.#pending.get(session.id);
    session.replaced = (pending?.evictedBy ?? 0n) > session.claim;
    session.lost = pending?.lost ?? false;
    this.#settle(session.id);
  }

  /** The storage lost what it knew: clients that are being admitted may have been claimed in vain. */
  lost(): void {
    for (const pending of this.#pending.values()) pending.lost = true;
  }

  /** Another node claimed the id: a client that is being admitted under an older claim must not stay. */
  evict(id: string, claim: bigint): void {
    const pending = this.#pending.get(id);
    if (pending && claim > pending.evictedBy) pending.evictedBy = claim;
  }

  /** Gives up a claim. Never rejects: a release that the storage does not take is made again with {@link Claims.retry}. */
  release(id: string, life: string, claim: bigint): void {
    const entry: Release = { id, life, claim };
    this.#releases.add(entry).catch(() => {
      if (this.#unreleased.length < this.#deps.maxWaiting) this.#unreleased.push(entry);
    });
  }

  /**
   * The storage names this node for an id: gives the claim up if this node does not hold it. True once it is given up.
   *
   * So an id does not stay taken after a lost release, or a claim whose answer was lost. Never rejects.
   */
  async disown(id: string, life: string, claim: bigint): Promise<boolean> {
    if (this.#deps.clients.get(id) || this.#pending.has(id)) return false;
    return await this.#deps.storage.del([{ id, life, claim }]).then(() => true, () => false);
  }

  /** The storage answers: makes the releases again that it did not take, and gives up claims that it granted unheard. */
  retry(): void {
    const entries = this.#unreleased;
    this.#unreleased = [];
    for (const { id, life, claim } of entries) this.release(id, life, claim);
    const unanswered = this.#unanswered;
    this.#unanswered = new Map();
    if (unanswered.size > 0) void this.#readBack(unanswered);
  }

  #settle(id: string): void {
    const pending = this.#pending.get(id);
    if (pending && --pending.sessions === 0) this.#pending.delete(id);
  }

  async #claim(id: string, resume: ResumeOffer | undefined): Promise<DistSession> {
    const first = await this.#claims.add(id);
    const { claim, previous } = first.claimed;
    const granted = claim === undefined && previous ? await this.#claimFrom(previous, id, resume) : first;
    if (granted?.claimed.claim === undefined) throw heldAlready();
    return new DistSession(id, granted.holder, granted.claimed.claim, granted.claimed.previous);
  }

  /** Claims an id that another node holds, if that one gives it up, or lets its client come back here; undefined if it does neither. */
  async #claimFrom(holder: Entry, id: string, resume: ResumeOffer | undefined): Promise<Granted | undefined> {
    const answer = await this.#deps.node.disowns(holder, id, resume);
    if (answer === "gone") return await this.#claims.add(id);
    return answer === "moves" ? (await this.#claimAll([id], false))[0] : undefined;
  }

  async #claimAll(ids: string[], ifAbsent = this.#deps.ifAbsent): Promise<Granted[]> {
    const { holder } = this.#deps.node;
    // Claims that waited behind one that found no storage would find none either, only later.
    if (performance.now() < this.#refuseUntilMs) {
      throw new MeshError("unavailable", "the storage did not answer a moment ago");
    }
    try {
      const results = await this.#deps.storage.set(ids, holder, { ifAbsent });
      return results.map((claimed) => ({ claimed, holder }));
    } catch (error) {
      this.#refuseUntilMs = performance.now() + REFUSE_MS;
      if (errorCode(error) !== "failed_precondition") this.#doubt(ids, holder.life);
      this.#deps.node.storageFailed(error);
      throw error;
    }
  }

  #doubt(ids: Iterable<string>, life: string): void {
    for (const id of ids) {
      if (this.#unanswered.size < this.#deps.maxWaiting) this.#unanswered.set(id, life);
    }
  }

  /** Gives up what the storage has of claims whose answer was lost, unless a client of this node has the id now. */
  async #readBack(unanswered: ReadonlyMap<string, string>): Promise<void> {
    const { storage, clients } = this.#deps;
    const ids = [...unanswered.keys()];
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const some = ids.slice(start, start + IDS_AT_ONCE);
      const entries = await storage.get(some).catch(() => undefined);
      for (const [index, id] of some.entries()) {
        const life = unanswered.get(id) ?? "";
        const entry = entries?.[index];
        if (!entries) this.#doubt([id], life);
        else if (entry?.life === life && !clients.get(id) && !this.#pending.has(id)) {
          this.release(id, life, entry.claim);
        }
      }
    }
  }
}

/** The answer of the storage to a claim, and the life that made it. */
interface Granted {
  readonly claimed: Claimed;
  readonly holder: Holder;
}

/** Dependencies of {@link Claims}. */
export interface ClaimsDependencies {
  storage: Storage;
  node: ClaimingNode;
  /** The connections of this node. */
  clients: { get(id: string): unknown };
  /** Refuse an id that another living node holds, rather than taking it over. */
  ifAbsent: boolean;
  /** Claims, releases and claims without an answer that may wait for the storage. */
  maxWaiting: number;
}

/** This node, as far as claims need it. */
export interface ClaimingNode {
  /** The present life. */
  readonly holder: Holder;
  /** Why this node takes no clients now; undefined if it does. */
  readonly refusal: MeshError | undefined;
  /**
   * Asks the node that the storage names for the id whether it gives that up. Resolves with `gone` if it did, with `moves` if it has the
   * client that comes back with the offer, and undefined otherwise. Never rejects.
   */
  disowns(holder: Entry, id: string, resume: ResumeOffer | undefined): Promise<"gone" | "moves" | undefined>;
  /** The storage did not answer. */
  storageFailed(error: unknown): void;
}

function heldAlready(): MeshError {
  return new MeshError("already_exists", "the id is connected already");
}
