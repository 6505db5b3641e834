import type { Cuts } from "./cuts.ts";
import { userTopic } from "../../base/check/topic.ts";
import type { Evictions } from "../evictions.ts";
import { fromHandover } from "../handover.ts";
import { type Answer, type Handover, Status } from "../../gen/meshsocket/node/v1/node_pb.ts";
import type { HandedOver } from "../../client/resume/handover.ts";
import { type SizedItem, takeItem } from "../../link/items.ts";
import type { Move, Moves } from "./moves.ts";
import type { Holder } from "../../storage/storage.ts";

/** Milliseconds until what failed is tried again, such as a cut. */
const AGAIN_MS = 50;

/** A client that waits on its old node for this one to take it over. */
export class Arriving {
  readonly topics: readonly string[];
  readonly tagged: readonly string[];
  readonly #move: Move;
  readonly #old: Holder;
  readonly #deps: ArrivingDependencies;
  /** The nodes that the old one knows. */
  #others: readonly Holder[];
  /** By life, the outcomes of the cuts that were asked for. */
  readonly #cuts = new Map<string, Status>();
  /** By life, the hosts of all senders so far. */
  readonly #hosts = new Map<string, string>();
  readonly #untilMs: number;

  constructor(move: Move, { old, handover }: Found, untilMs: number, deps: ArrivingDependencies) {
    this.topics = handover.topics;
    this.tagged = handover.tagged;
    this.#move = move;
    this.#old = old;
    this.#others = handover.nodes;
    this.#untilMs = untilMs;
    this.#deps = deps;
  }

  /**
   * Takes the client over, once it listens here on its topics: resolves with it, or with why it cannot resume. Never rejects.
   *
   * Before that, every node that may send to it makes its cut. If one does not in time, something could be missing, and the
   * client is lost. A node that leaves or dies meanwhile sends nothing more, and needs none.
   */
  async take(): Promise<HandedOver | string> {
    let found: HandedOver | string | undefined;
    while (found === undefined && this.hasTime) {
      found = await this.#advance();
    }
    await this.#move.settled();
    if (found !== undefined && !this.#move.failed) return found;
    this.giveUp();
    return "unknown";
  }

  /** Whether it is of use to try again what failed. */
  get hasTime(): boolean {
    return performance.now() < this.#untilMs && this.#move.client.open;
  }

  /** Has the old node give up a client that cannot come. */
  giveUp(): void {
    void this.#deps.evictions.evict(this.#old, this.#move.client.id, this.#move.claim);
  }

  /** Has the nodes cut that have not, and takes the client if all of them have. Undefined if that is to be tried again. */
  async #advance(): Promise<HandedOver | string | undefined> {
    const wanted = this.#senders(this.#others).filter(({ life }) => (this.#cuts.get(life) ?? FAILED) === FAILED);
    const made = await Promise.all(wanted.map((sender) => this.#cut(sender)));
    for (const [index, { life }] of wanted.entries()) this.#cuts.set(life, made[index] ?? FAILED);
    if (!this.#isCut(this.#senders([]))) return await tryLater();
    const answer = await this.#take();
    if (answer?.waits) {
      this.#others = answer.nodes;
      return this.#others.every(({ life }) => this.#cuts.has(life)) ? await tryLater() : undefined;
    }
    return answer && this.#joined() && this.#isOrdered() ? fromHandover(answer) : "unknown";
  }

  /**
   * A node that loses its lease goes on in another life, which makes a cut of its own. False if the client got messages
   * of the earlier life here: messages of the later one, at the old node, would come before them.
   */
  #isOrdered(): boolean {
    return [...this.#hosts].every(([life, host]) => {
      return !this.#move.heard.has(life) || [...this.#hosts].every(([other, at]) => other === life || at !== host);
    });
  }

  /** Nodes that joined in this very moment made no cut: false if one of them sent something to many before it was known here. */
  #joined(): boolean {
    const { moves } = this.#deps;
    const late = this.#senders([]).filter(({ life }) => this.#cuts.get(life) !== Status.OK);
    return late.every(({ life }) => moves.joins(this.#move, life));
  }

  /** The nodes that may send to the client. */
  #senders(others: readonly Holder[]): Holder[] {
    const { node } = this.#deps;
    const all = [this.#old, node.holder, ...node.nodes(), ...others];
    for (const { host, life } of all) this.#hosts.set(life, host);
    return [...new Map(all.map((each) => [each.life, each])).values()];
  }

  #isCut(nodes: readonly Holder[]): boolean {
    return nodes.every(({ life }) => this.#cuts.get(life) === Status.OK);
  }

  #cut(sender: Holder): Promise<Status> {
    const { cuts, interest } = this.#deps;
    const { client: { id, user }, claim } = this.#move;
    const topics = [...this.topics, ...this.tagged, ...user === undefined ? [] : [userTopic(user)]];
    if (!interest.isKnownTo(sender, topics)) return Promise.resolve(FAILED);
    return cuts.ask(sender, this.#old, { id, claim }, this.#untilMs);
  }

  /** Asks the old node for the client; undefined if it did not answer. */
  async #take(): Promise<Handover | undefined> {
    const { links } = this.#deps;
    const { client: { id }, claim } = this.#move;
    const lives = [...this.#cuts].flatMap(([life, made]) => made === Status.OK ? [life] : []);
    const marked = this.#move.markedBesides(lives);
    try {
      for (;;) {
        const { status, handover } = await links.call(this.#old, takeItem(id, claim, lives, marked), this.#untilMs);
        // Each of its answers has room for one client.
        if (status !== Status.TOO_LONG) return handover;
      }
    } catch {
      return undefined;
    }
  }
}

/** Nothing was cut: it can be tried again. */
const FAILED = Status.FAILED;

/** Lets time pass before something is tried again. */
export function tryLater(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), AGAIN_MS));
}

/** The node that a client comes from, and its answer. */
export interface Found {
  readonly old: Holder;
  readonly handover: Handover;
}

/** Dependencies of {@link Arriving}. */
export interface ArrivingDependencies {
  node: { readonly holder: Holder; nodes(): Holder[] };
  links: { call(to: Holder, item: SizedItem, deadlineMs: number): Promise<Answer> };
  evictions: Pick<Evictions, "evict">;
  moves: Moves;
  cuts: Cuts;
  /** Knows which nodes could not be told of a topic. */
  interest: { isKnownTo(node: Holder, topics: readonly string[]): boolean };
  /** Milliseconds that a move may take: until then it is known whether a silent node still lives. */
  waitMs: number;
}
