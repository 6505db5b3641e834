import type { Clients } from "../client/clients.ts";
import type { HubClient } from "../client/hub-client.ts";
import type { Grant } from "../door/admit.ts";
import { MeshError } from "../base/error.ts";
import type { HandedOver } from "../client/resume/handover.ts";
import { randomId } from "../base/random-id.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";

export type { Grant };

/**
 * Decides which client may have an id. A hub is handed one: its own for one node, that of the cluster for a DistHub.
 *
 * For each client the hub calls `claim`, then `settle`, then `opened` if its connection opened, and `release` at the end.
 */
export interface Registry<Data> {
  /** How many other nodes there are, to which clients may go. */
  readonly others: number;
  /** The life of this node. */
  readonly life: string;
  /** After how many milliseconds the death of another node is known. */
  readonly leaseMs: number;
  /** Whether a life is that of this node, or of another living one. */
  lives(life: string): boolean;
  /** Makes the id this node's own. Rejects with `already_exists` if it is held by a client that is not away, the oldest wins, and `resume` does not fit it. */
  claim(id: string, resume: ResumeOffer | undefined, signal: AbortSignal | undefined): Promise<Grant>;
  /** The admission of a granted claim is over: its connection is open, or never will be. */
  settle(grant: Grant): void;
  /** The connection of a granted claim is open. `onConnect` waits for the returned promise, which must not reject. */
  opened(client: HubClient<Data>, grant: Grant): Promise<void> | undefined;
  /**
   * Takes the client over from the node that it was on before, with its topics, or returns why it cannot resume: all that was sent to it
   * is then in what comes, or reaches this node. Must not reject.
   */
  takeOver(client: HubClient<Data>, grant: Grant, resume: ResumeOffer): Promise<HandedOver | string>;
  /** The client of a {@link Registry.takeOver} is here, or is not to come: called in any case. Must not throw. */
  arrived(client: HubClient<Data>): void;
  /** Whether what this node sends to the client now is for it on this node: it may be leaving. */
  isHere(id: string): boolean;
  /**
   * Asks other nodes to take over those of the clients that are away; resolves with how many they will, which then leave. With another
   * `turn` each is for another node. Must not reject.
   */
  offer(clients: readonly HubClient<Data>[], turn: number): Promise<number>;
  /** The claim ended: its connection is gone, or never opened. Must not throw. */
  release(id: string, claim: bigint): void;
  /** The hub holds no clients any more and takes none. Must not reject. */
  leave(): Promise<void>;
}

/** The registry of a hub on its own: it only counts claims, since all clients are at hand. */
export class LocalRegistry<Data> implements Registry<Data> {
  readonly others = 0;
  readonly life: string = randomId();
  readonly leaseMs = 0;
  readonly #clients: Clients<Data>;
  readonly #refusesDuplicates: boolean;
  #claims = 0n;

  constructor(clients: Clients<Data>, refusesDuplicates: boolean) {
    this.#clients = clients;
    this.#refusesDuplicates = refusesDuplicates;
  }

  lives(life: string): boolean {
    return life === this.life;
  }

  async claim(id: string, resume: ResumeOffer | undefined): Promise<Grant> {
    if (this.#refusesDuplicates && this.#clients.get(id)?.keeps(resume)) {
      throw new MeshError("already_exists", "the id is connected already");
    }
    return { claim: ++this.#claims };
  }

  settle(): void {}

  opened(): undefined {}

  async takeOver(): Promise<string> {
    return "unknown";
  }

  arrived(): void {}

  isHere(): boolean {
    return true;
  }

  async offer(): Promise<number> {
    return 0;
  }

  release(): void {}

  async leave(): Promise<void> {}
}
