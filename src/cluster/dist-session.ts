import type { Entry, Holder } from "../storage/storage.ts";

/**
 * A client's registration in the storage, for as long as it is connected.
 *
 * It begins with a granted claim, before the 101, and ends with the release of exactly that claim.
 */
export class DistSession {
  readonly id: string;
  /** The life of the node that made the claim. */
  readonly holder: Holder;
  readonly claim: bigint;
  /** The living holder that had the id before, and has to give it up. */
  readonly previous: Entry | undefined;
  /** Whether a newer claim was made before this one's connection stood. */
  replaced = false;
  /** Whether the storage lost what it knew before this one's connection stood: the claim may be gone. */
  lost = false;

  constructor(id: string, holder: Holder, claim: bigint, previous: Entry | undefined) {
    this.id = id;
    this.holder = holder;
    this.claim = claim;
    this.previous = previous;
  }
}
