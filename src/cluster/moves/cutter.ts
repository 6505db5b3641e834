import { markItem, type SizedItem } from "../../link/items.ts";
import { type Answer, Status } from "../../gen/meshsocket/node/v1/node_pb.ts";
import type { MovedBy, Moves } from "./moves.ts";
import type { Holder } from "../../storage/storage.ts";

/**
 * Makes this node's cuts, as a sender: a mark to both ends of a move, between the same two of its messages.
 *
 * A message to many leaves for all its nodes at once, so the marks do so as well. One exception: a message on a topic that
 * is still looked up was delivered here already and leaves later. If this node is itself one end of the move, its cut
 * waits for such messages, and new ones wait for the cut.
 */
export class Cutter {
  readonly #deps: CutterDependencies;
  /** The cuts that wait for look-ups. */
  #waiting = 0;
  #done: PromiseWithResolvers<void> | undefined;

  constructor(deps: CutterDependencies) {
    this.#deps = deps;
  }

  /** Settles when a message on a topic that has to be looked up may leave; undefined if it may now. */
  get ready(): Promise<void> | undefined {
    return this.#waiting > 0 ? (this.#done ??= Promise.withResolvers<void>()).promise : undefined;
  }

  /**
   * Cuts between the two nodes. Never rejects: resolves with OK if both have the mark, with FAILED if this node does not know
   * one of them and told neither, and with NO_REPLY if only one of them may have it.
   */
  async cut(old: Holder, next: Holder, moving: readonly MovedBy[]): Promise<Status> {
    const { node, audience } = this.#deps;
    const { life } = node.holder;
    // A node that this one does not know gets none of its broadcasts.
    if ([old, next].some((end) => end.life !== life && !node.has(end))) return Status.FAILED;
    const isEnd = old.life === life || next.life === life;
    this.#waiting++;
    if (isEnd && audience.isAsking) await audience.answered();
    const marked = [old, next].map((end) => this.#mark(end, moving));
    if (--this.#waiting === 0) {
      this.#done?.resolve();
      this.#done = undefined;
    }
    return (await Promise.all(marked)).every((done) => done) ? Status.OK : Status.NO_REPLY;
  }

  async #mark(end: Holder, moving: readonly MovedBy[]): Promise<boolean> {
    const { links, moves, node, timeoutMs } = this.#deps;
    const { life } = node.holder;
    if (end.life === life) {
      moves.mark(life, moving);
      return true;
    }
    try {
      return (await links.call(end, markItem(moving), performance.now() + timeoutMs)).status === Status.OK;
    } catch {
      return false;
    }
  }
}

/** Dependencies of {@link Cutter}. */
export interface CutterDependencies {
  node: { readonly holder: Holder; has(node: Holder): boolean };
  links: { call(to: Holder, item: SizedItem, deadlineMs: number): Promise<Answer> };
  moves: Moves;
  /** The look-ups of topics. */
  audience: {
    readonly isAsking: boolean;
    /** Settles when the look-ups that are under way have ended and their messages have left. */
    answered(): Promise<void>;
  };
  /** Milliseconds that a node may take to have its mark: as long as the move may take. */
  timeoutMs: number;
}
