import type { PresenceChange } from "./presence-view.ts";

/**
 * Makes the changes of clients those of users: the first client of a user joins, the last one leaves, and each updates the
 * user's info.
 */
export class PresenceByUser {
  readonly #idsOf = new Map<string, Set<string>>();

  /** The change as that of a user; undefined if the user has other clients there, or if the client is nobody's. */
  of(change: PresenceChange): PresenceChange | undefined {
    const { type, id, user } = change;
    if (user === undefined) return undefined;
    if (type === "update") return change;
    return (type === "join" ? this.#first(user, id) : this.#last(user, id)) ? change : undefined;
  }

  #first(user: string, id: string): boolean {
    const ids = this.#idsOf.get(user);
    if (!ids) this.#idsOf.set(user, new Set([id]));
    else ids.add(id);
    return ids === undefined;
  }

  #last(user: string, id: string): boolean {
    const ids = this.#idsOf.get(user);
    if (!ids?.delete(id) || ids.size > 0) return false;
    return this.#idsOf.delete(user);
  }
}
