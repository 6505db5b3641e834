import { Adopter } from "./moves/adopter.ts";
import { about } from "../base/log/about.ts";
import type { Adoption } from "../client/resume/adoption.ts";
import type { ClusterDependencies } from "./cluster-dependencies.ts";
import {
  type Answer,
  type Cut,
  type Disown,
  type Holder,
  type Reply,
  Status,
  type Take,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import { Inbox } from "../link/inbox.ts";
import { IncomingLines } from "../link/incoming-lines.ts";
import { replyItem } from "../link/items.ts";
import type { Moves } from "./moves/moves.ts";
import type { Moving } from "./moves/moving.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { Logger } from "../base/log/logger.ts";
import type { Neighbours } from "./neighbours.ts";
import { type Peers, Receiver } from "./receive.ts";
import type { RequestTable } from "./request-table.ts";
import type { Topics } from "./topics/topics.ts";

/**
 * The batches that other nodes send to this one.
 *
 * A batch arrives on one of the {@link IncomingLines}, the {@link Inbox} takes it once and in order, and the
 * {@link Receiver} does to this node's clients what its items ask for.
 */
export class Incoming<Data> implements Peers {
  readonly lines: IncomingLines;
  readonly inbox: Inbox;
  readonly #adopter: Adopter<Data>;
  readonly #neighbours: Neighbours<Data>;
  readonly #topics: Topics<Data>;
  readonly #moving: Moving<Data>;
  readonly #requests: RequestTable;
  readonly #logger: Logger;
  readonly #timeoutMs: number;

  /** When `stopped` is aborted all lines end. */
  constructor(
    node: ClusterDependencies<Data>,
    neighbours: Neighbours<Data>,
    topics: Topics<Data>,
    moving: Moving<Data>,
    requests: RequestTable,
    stopped: AbortSignal,
  ) {
    this.#adopter = new Adopter<Data>(node);
    this.#neighbours = neighbours;
    this.#topics = topics;
    this.#moving = moving;
    this.#requests = requests;
    const { limits } = node;
    this.#logger = node.logger;
    this.#timeoutMs = limits.timeoutMs;
    const receiver = new Receiver<Data>(node, this);
    this.inbox = new Inbox({
      node: neighbours,
      receiver,
      maxLines: limits.maxInboxLines,
      begun: () => node.kept.loaded?.verify(),
    });
    this.lines = new IncomingLines({ node: neighbours, inbox: this.inbox, limits, stopped });
  }

  /** Settles when the other nodes were sent the answers to all that was taken by now. */
  async answered(): Promise<void> {
    await this.inbox.answered();
    await this.lines.written();
  }

  evict(id: string, claim: bigint, resume: ResumeOffer | undefined): Answer | Promise<Answer> {
    if (resume?.former === undefined) return this.#neighbours.evict(id, claim, resume);
    return this.#neighbours.giveAway(id, claim, resume);
  }

  handOver(take: Take): Answer {
    return this.#neighbours.handOver(take);
  }

  adopt(adoption: Adoption): boolean {
    return this.#adopter.adopt(adoption);
  }

  get moves(): Moves {
    return this.#neighbours.moves;
  }

  cut({ old, new: next, moving }: Cut): Promise<Status> {
    return old && next ? this.#moving.cutter.cut(old, next, moving) : Promise.resolve(Status.INVALID);
  }

  disown(disown: Disown): Promise<Status> {
    return this.#neighbours.disown(disown);
  }

  announced(topic: string, node: Holder): void {
    this.#topics.announced(topic, node);
  }

  replied(reply: Reply): void {
    this.#requests.replied(reply);
  }

  reply(to: Holder, reply: Reply): void {
    const deadlineMs = performance.now() + this.#timeoutMs;
    this.#neighbours.links.call(to, replyItem(reply), deadlineMs).catch((error: unknown) => {
      this.#logger.warn(
        `meshsocket: could not hand a client's reply to ${to.host}`,
        error,
        about("reply_failed", { node: to.host }),
      );
    });
  }
}
