import type { Cutter } from "./cutter.ts";
import { errorCode } from "../../base/error.ts";
import { type Answer, Status } from "../../gen/meshsocket/node/v1/node_pb.ts";
import { cutItem, type SizedItem } from "../../link/items.ts";
import type { MovedBy } from "./moves.ts";
import type { Holder } from "../../storage/storage.ts";
import { afterTick } from "../../base/tick.ts";

/** Asks senders for their cuts, once for all clients that begin to move from one node to this one in the same tick. */
export class Cuts {
  readonly #deps: CutsDependencies;
  /** Those of this tick, by sender and old node. */
  readonly #waiting = new Map<string, Wanted>();

  constructor(deps: CutsDependencies) {
    this.#deps = deps;
  }

  /** Resolves as {@link Cutter.cut}; with NO_REPLY as well if it is not known whether the sender did it. Never rejects. */
  ask(sender: Holder, old: Holder, moving: MovedBy, untilMs: number): Promise<Status> {
    const key = `${sender.life} ${old.life}`;
    let wanted = this.#waiting.get(key);
    if (!wanted) {
      const made = Promise.withResolvers<Status>();
      this.#waiting.set(key, wanted = { sender, old, moving: [], untilMs, made });
      const all = wanted;
      afterTick(() => {
        this.#waiting.delete(key);
        void this.#ask(all).then(made.resolve);
      });
    }
    wanted.moving.push(moving);
    return wanted.made.promise;
  }

  async #ask({ sender, old, moving, untilMs }: Wanted): Promise<Status> {
    const { cutter, links, node } = this.#deps;
    if (sender.life === node.holder.life) return await cutter.cut(old, sender, moving);
    try {
      return (await links.call(sender, cutItem(old, node.holder, moving), untilMs)).status;
    } catch (error) {
      return errorCode(error) === "unavailable" ? Status.FAILED : Status.NO_REPLY;
    }
  }
}

/** A cut that is to be asked for. */
interface Wanted {
  readonly sender: Holder;
  readonly old: Holder;
  readonly moving: MovedBy[];
  readonly untilMs: number;
  readonly made: PromiseWithResolvers<Status>;
}

/** Dependencies of {@link Cuts}. */
export interface CutsDependencies {
  node: { readonly holder: Holder };
  links: { call(to: Holder, item: SizedItem, deadlineMs: number): Promise<Answer> };
  /** Makes this node's own. */
  cutter: Pick<Cutter, "cut">;
}
