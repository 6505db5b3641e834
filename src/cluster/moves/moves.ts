import type { Except, SendOptions } from "../../send/verbs.ts";
import type { Frame } from "../../send/frame.ts";
import { settledWithin } from "../../send/deadline.ts";
import type { Holder } from "../../storage/storage.ts";

/** How long a client that comes back waits until it has left. */
const MAX_RETURN_MS = 3_000;

/**
 * The clients that are moving from this node or to it, and which node delivers to them what each sender sends.
 *
 * For one sender that changes at its mark, which both nodes get between the same two of its messages: earlier ones are for
 * the client at the old node, later ones for the client at the new one. So none is missing and none comes twice. A sender
 * that is not a node makes no mark: its messages go to the old node until the client is handed over.
 */
export class Moves {
  readonly #moves = new Map<string, Move>();
  /** By life of a sender, the clients here that are not to get its messages; empty after each change. */
  readonly #leftOut = new Map<string, ReadonlySet<string>>();

  /** The client of this node is moving to the node that made the claim. */
  leaves(client: MovingClient, claim: bigint): void {
    this.#add(new Move(client, claim, false));
  }

  /** The client is moving here by a claim of this node, from the one that is {@link Move.old} as soon as it is known. */
  arrives(client: MovingClient, claim: bigint): Move {
    return this.#add(new Move(client, claim, true));
  }

  get(id: string): Move | undefined {
    return this.#moves.size > 0 ? this.#moves.get(id) : undefined;
  }

  /** The move is over, for better or worse. */
  end(id: string): void {
    const move = this.#moves.get(id);
    if (!move) return;
    this.#moves.delete(id);
    this.#leftOut.clear();
    move.ended.resolve();
  }

  /** Settles when a client that leaves this node has left it; undefined if there is none. After a while it settles in any case. */
  left(id: string): Promise<unknown> | undefined {
    const move = this.get(id);
    if (!move || move.arrives) return undefined;
    return settledWithin(move.ended.promise, MAX_RETURN_MS);
  }

  /** Messages of the sender from now on are for the clients at their new nodes. */
  mark(sender: string, moving: readonly MovedBy[]): void {
    for (const { id, claim } of moving) {
      const move = this.#moves.get(id);
      if (move?.claim === claim) move.marked.add(sender);
    }
    this.#leftOut.clear();
  }

  /**
   * A sender that joined while the client was handed over makes no cut: what it sends is for the client here from now on. False if
   * it sent something before.
   */
  joins(move: Move, sender: string): boolean {
    move.marked.add(sender);
    this.#leftOut.clear();
    return !move.missed.has(sender);
  }

  /** Whether this node delivers to the client what the sender sends to it now, which is remembered. */
  isHere(id: string, sender: string): boolean {
    return this.get(id)?.takes(sender) ?? true;
  }

  /** The clients that a message to many is not for: those that the sender left out, and those that get it on another node. */
  except(sender: string, ids: ReadonlySet<string> | undefined): ReadonlySet<string> | undefined {
    if (this.#moves.size === 0) return ids;
    let leftOut = this.#leftOut.get(sender);
    if (!leftOut) {
      const elsewhere = [...this.#moves.values()].filter((move) => !move.note(sender));
      leftOut = new Set(elsewhere.map(({ client: { id } }) => id));
      this.#leftOut.set(sender, leftOut);
    }
    if (ids === undefined) return leftOut.size > 0 ? leftOut : undefined;
    return leftOut.union(ids);
  }

  /** A node is gone: it sends nothing more, and makes no mark. */
  forget(sender: string): void {
    // The new node needs them later, even if that life is over.
    for (const { arrives, heard } of this.#moves.values()) if (!arrives) heard.delete(sender);
    this.#leftOut.delete(sender);
  }

  #add(move: Move): Move {
    this.#moves.set(move.client.id, move);
    this.#leftOut.clear();
    return move;
  }
}

/** A client on its way from one node to another, at either of them. */
export class Move {
  readonly client: MovingClient;
  /** The claim of the new node. */
  readonly claim: bigint;
  /** Whether it moves to this node, rather than from it. */
  readonly arrives: boolean;
  /** The node that it comes from; undefined at that node, and while it is looked for. */
  old: Holder | undefined = undefined;
  /** The lives of the senders whose marks came. */
  readonly marked: Set<string> = new Set();
  /** The lives of senders of messages to many that the client did not get here: they were for it at the other node. */
  readonly missed: Set<string> = new Set();
  /** The lives of nodes whose messages the client got here. */
  readonly heard: Set<string> = new Set();
  /** Messages of the new node itself that it sent on to the old one, because it had not made its cut yet. */
  readonly sentOn: Promise<unknown>[] = [];
  /** How many were sent on. */
  sends = 0;
  /** How many of them, or of those that had nowhere to go, wait here. */
  kept = 0;
  /** Settled when the move is over. */
  readonly ended: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  /** One of those may be missing: the client cannot resume. */
  failed = false;

  constructor(client: MovingClient, claim: bigint, arrives: boolean) {
    this.client = client;
    this.claim = claim;
    this.arrives = arrives;
  }

  /** Whether what the sender sends now is for the client at this node. */
  isHere(sender: string): boolean {
    return this.arrives === this.marked.has(sender);
  }

  /** {@link Move.isHere} for a message, which is remembered if it is. A sender that is not a node makes no mark. */
  takes(sender: string): boolean {
    const isHere = this.isHere(sender);
    if (isHere && sender !== "") this.heard.add(sender);
    return isHere;
  }

  /** {@link Move.takes} for a message to many, which is remembered if it is not for this node, too. */
  note(sender: string): boolean {
    const takes = this.takes(sender);
    if (!takes) this.missed.add(sender);
    return takes;
  }

  /** The senders whose marks came, besides these: they ended before they could say that both ends have theirs. */
  markedBesides(lives: readonly string[]): string[] {
    return [...this.marked.difference(new Set(lives))];
  }

  /** Settles when all that was sent on to the old node was answered: what it did not take waits here then. */
  async settled(): Promise<void> {
    while (this.sentOn.length > 0) await Promise.all(this.sentOn.splice(0));
  }
}

/** The client of a {@link Move}. */
export interface MovingClient {
  readonly id: string;
  readonly user: string | undefined;
  readonly open: boolean;
}

/** A move as the nodes name it to each other. */
export interface MovedBy {
  readonly id: string;
  readonly claim: bigint;
}

/** Clients on their way between this node and another one, for what this node itself sends. */
export interface MovingClients {
  has(id: string): boolean;
  /** Whether what this node sends to the client now is for it here. */
  isHere(id: string): boolean;
  /** Sends a message on to the node that the client comes from; undefined if it does not come from another one. */
  sendOn(id: string, frame: Frame, options: SendOptions): Promise<boolean> | undefined;
  /** The clients of this node that a message to many is not for: these, and those that get it on another node. */
  except(ids: Except): Except;
  /** Settles when a message on the topic may leave here and there without a cut between; undefined if it may now. */
  readyFor(topic: string): Promise<void> | undefined;
}
