import type { Limits } from "../base/limits.ts";

/** Keeps each user to `maxClientsPerUser` clients of this node, those included that were let in and are not connected yet. */
export class UserPlaces {
  readonly #deps: UserPlacesDependencies;
  readonly #pending = new Map<string, number>();

  constructor(deps: UserPlacesDependencies) {
    this.#deps = deps;
  }

  /** Takes a place for a client; undefined if the user has none left. To be given back when the client is there, or never will be. */
  take(user: string, id: string): (() => void) | undefined {
    const { limits } = this.#deps;
    const pending = this.#pending.get(user) ?? 0;
    if (this.#deps.clientsOf(user, id) + pending >= limits.maxClientsPerUser) return undefined;
    this.#pending.set(user, pending + 1);
    return () => this.#giveBack(user);
  }

  #giveBack(user: string): void {
    const left = (this.#pending.get(user) ?? 1) - 1;
    if (left > 0) this.#pending.set(user, left);
    else this.#pending.delete(user);
  }
}

/** Dependencies of {@link UserPlaces}. */
export interface UserPlacesDependencies {
  readonly limits: Readonly<Limits>;
  /** How many clients of this node are the user's, without the one that has the id. */
  clientsOf(user: string, id: string): number;
}
