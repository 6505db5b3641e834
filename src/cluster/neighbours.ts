import { create } from "@bufbuild/protobuf";
import { Claims } from "./claims.ts";
import type { Clients } from "../client/clients.ts";
import type { HubClient } from "../client/hub-client.ts";
import type { ClusterDependencies } from "./cluster-dependencies.ts";
import type { DistSession } from "./dist-session.ts";
import type { MeshError } from "../base/error.ts";
import { Evictions } from "./evictions.ts";
import {
  type Answer,
  type Disown,
  type HelloRequest,
  type HelloResponse,
  HelloResponseSchema,
  Status,
  type Take,
} from "../gen/meshsocket/node/v1/node_pb.ts";
import { Hello } from "./hello.ts";
import { disownItem, type SizedItem } from "../link/items.ts";
import { handoverAnswer, offerOf, waitingAnswer } from "./handover.ts";
import { replace } from "../client/resume/replace.ts";
import { Moves } from "./moves/moves.ts";
import { plainAnswer } from "../link/packed-batch.ts";
import { offerOfAway } from "../client/resume/adoption.ts";
import { listensOn, type TopicPlace } from "../client/resume/handover.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import type { JoinOptions } from "./join-options.ts";
import type { KeptTopics } from "../hub/history/kept-topics.ts";
import { Links } from "../link/links.ts";
import { Membership, type NeighbourEvents } from "./membership.ts";
import { Reclaim } from "./reclaim.ts";
import type { Entry, Holder } from "../storage/storage.ts";

/**
 * This node among the others: its lease, which of them live, the links to them, and the ids that pass between them.
 *
 * It tells its {@link NeighbourEvents} what happens, and acts on nothing but its own parts.
 */
export class Neighbours<Data> {
  readonly links: Links;
  readonly claims: Claims;
  readonly reclaim: Reclaim<Data>;
  readonly evictions: Evictions;
  /** Clients that are moving from this node or to it. */
  readonly moves: Moves = new Moves();
  readonly #hello: Hello;
  readonly #membership: Membership;
  readonly #clients: Clients<Data>;
  readonly #kept: KeptTopics<Data>;
  readonly #timeoutMs: number;

  constructor(node: ClusterDependencies<Data>, { host, transport }: JoinOptions, events: NeighbourEvents) {
    const { storage, leaseMs, limits, logger, counters, clients, secrets: { tokens } } = node;
    const { timeoutMs, maxConnections: maxWaiting } = limits;
    this.#clients = clients;
    this.#kept = node.kept;
    this.#timeoutMs = timeoutMs;
    this.links = new Links({ limits, counters, tokens, transport, lines: "stream", from: () => this.holder });
    this.#hello = new Hello({ links: this.links, limits, leaseMs, kept: node.kept, logger });
    this.evictions = new Evictions({
      logger,
      links: { call: this.#tell.bind(this) },
      node: this,
      timeoutMs,
      maxWaiting,
    });
    this.claims = new Claims({ storage, node: this, clients, ifAbsent: node.refusesDuplicates, maxWaiting });
    this.reclaim = new Reclaim<Data>({ storage, node: this, clients, evictions: this.evictions });
    const { reclaim } = this;
    const own = { host, leaseMs, logger, limits, counters, hello: this.#hello };
    this.#membership = new Membership({ storage, ...own, reclaim, events });
  }

  // ---- this node's life, and the others ----

  /** The present life of this node. */
  get holder(): Holder {
    return this.#membership.holder;
  }

  /** The life that others may call; undefined while this node cannot know whether it still has one. */
  get servingLife(): string | undefined {
    return this.#membership.servingLife;
  }

  /** Why this node takes no clients now; undefined if it does. */
  get refusal(): MeshError | undefined {
    return this.#membership.refusal;
  }

  /** The other living nodes. */
  nodes(): Holder[] {
    return this.#membership.living.nodes();
  }

  /** Whether it is one of the other living nodes. */
  has(node: Holder): boolean {
    return this.#membership.living.has(node);
  }

  /** Whether the life was that of another node, and has left or died. */
  isOver(life: string): boolean {
    return this.#membership.living.isOver(life);
  }

  /** A node could not be reached: the storage is asked more often whether it lives. */
  suspect(node: Holder): void {
    this.#membership.suspect(node);
  }

  /** The storage did not answer: it is asked again soon. */
  storageFailed(error: unknown): void {
    this.#membership.storageFailed(error);
  }

  /** Takes the lease and meets the others. See {@link Membership.start} for what it rejects with. */
  start(): Promise<void> {
    return this.#membership.start();
  }

  /** Ends the lease and the links. Never rejects. */
  async stop(): Promise<void> {
    await this.#membership.stop();
    this.links.close();
  }

  /** Another node says that it lives, or leaves. */
  hello(node: Holder, leaving: boolean): void {
    if (leaving) this.#membership.heardLeaving(node);
    else this.#membership.heard(node);
  }

  /** Answers another node's hello, after it dialled back if it was asked to. */
  async greeted({ from: sender, leaving, dialBack, ...options }: HelloRequest): Promise<HelloResponse> {
    const { agreement } = this.#hello;
    const { leaseMs, topics } = agreement;
    const answer = (found = {}): HelloResponse =>
      create(HelloResponseSchema, { to: this.holder, leaseMs, topics, ...found });
    if (!sender) return answer();
    const from: Holder = { host: sender.host, life: sender.life };
    this.hello(from, leaving);
    if (leaving || !dialBack) return answer();
    agreement.compare(from.host, options);
    const found = await this.#hello.dialBack(from);
    if (found.unmet === "") this.#membership.met(from);
    return answer(found);
  }

  /** A life ended. */
  forget(life: string): void {
    this.evictions.forget(life);
    this.moves.forget(life);
    this.links.drop(life);
  }

  /** The storage answered: tries again what failed. */
  retry(): void {
    this.claims.retry();
    this.evictions.retry();
  }

  // ---- ids ----

  /** Another node claimed an id: the client that has it here is closed, or waits to be taken if it came back there. */
  evict(id: string, claim: bigint, resume: ResumeOffer | undefined): Answer {
    this.claims.evict(id, claim);
    const client = this.#clients.get(id);
    if (!client || client.claim >= claim) return handoverAnswer("unknown");
    const move = this.moves.get(id);
    // It leaves for a node whose claim is newer.
    if (move && !move.arrives && move.claim > claim) return handoverAnswer("unknown");
    // It is on its way here from a third node: not yet.
    if (resume && client.arrival) return plainAnswer(Status.FAILED);
    // Another node was taking it over, and may have taken messages for it: had that one lived, it would have answered instead.
    const isTaken = client.leaving && move?.claim !== claim;
    const refusal = resume && !isTaken ? client.leaves(resume) : "unknown";
    if (refusal !== undefined) {
      replace(client, resume);
      return handoverAnswer(refusal);
    }
    this.moves.leaves(client, claim);
    return waitingAnswer(listensOn(client), this.nodes());
  }

  /**
   * Another node claimed an id to take over its client, which is away. One that is not, or not any more, stays here, and its id is
   * claimed again before the other node gives it up.
   */
  giveAway(id: string, claim: bigint, resume: ResumeOffer): Answer | Promise<Answer> {
    const client = this.#clients.get(id);
    if (client?.arrival) return plainAnswer(Status.FAILED);
    if (!client || client.leaving || client.claim >= claim) return handoverAnswer("unknown");
    const offer = offerOfAway(client, resume);
    return offer ? this.evict(id, claim, offer) : this.reclaim.again(client).then(() => handoverAnswer("unknown"));
  }

  /**
   * Hands a client over to the node that made the claim, if the lives are those of all nodes that may send to it: those that this
   * node knows, and any that has joined so lately that it knew this node first. A sender that ended between its two marks, so that
   * only one of the nodes has it, may have sent something to both of them or to neither: the client cannot resume.
   */
  handOver({ id, claim, lives, marked }: Pick<Take, "id" | "claim" | "lives" | "marked">): Answer {
    const client = this.#clients.get(id);
    const move = this.moves.get(id);
    if (!client?.leaving || move?.claim !== claim) return handoverAnswer("unknown");
    const nodes = this.nodes();
    const senders = [...nodes.map(({ life }) => life), ...move.heard];
    if (senders.some((life) => !lives.includes(life))) return waitingAnswer(listensOn(client), nodes);
    const isDivided = new Set(move.markedBesides(lives)).symmetricDifference(new Set(marked)).size === 0;
    const handed = isDivided ? client.handOver(this.#placesOf(client)) : "unknown";
    if (typeof handed === "string") replace(client);
    this.moves.end(id);
    return handoverAnswer(handed);
  }

  /**
   * The places up to which the client got the topics that keep history. One on which it is still being caught up has none; if it asked
   * for that itself it asks again.
   */
  #placesOf(client: HubClient<Data>): TopicPlace[] {
    const { topics } = this.#clients;
    const places: TopicPlace[] = [];
    for (const topic of client.topics) {
      if (!this.#kept.windowOf(topic)) continue;
      const listens = topics.listeners(topic)?.has(client) === true;
      const place = listens && this.#kept.loaded?.placeOf(topic);
      const delta = topics.hasDeltas(topic, client);
      if (place || client.tagged?.get(topic) !== false) places.push({ topic, ...(place || NOWHERE), delta });
    }
    return places;
  }

  /**
   * The storage names this node for an id: gives the claim up unless a client here has it. Resolves with OK if it did, with MOVING if the
   * client comes back on the other node, and with FAILED. Never rejects.
   */
  async disown({ id, claim, resume }: Pick<Disown, "id" | "claim" | "resume">): Promise<Status> {
    if (await this.claims.disown(id, this.holder.life, claim)) return Status.OK;
    const client = this.#clients.get(id);
    await client?.arrival;
    const comesBack = resume && client?.leaving === false && client.v1?.refusalOf(offerOf(resume)) === undefined;
    return comesBack && client.v1 ? Status.MOVING : Status.FAILED;
  }

  async disowns(other: Entry, id: string, resume: ResumeOffer | undefined): Promise<"gone" | "moves" | undefined> {
    const deadlineMs = performance.now() + this.#timeoutMs;
    const answer = await this.links.call(other, disownItem(id, other.claim, resume), deadlineMs).catch(() => undefined);
    if (answer?.status === Status.OK) return "gone";
    return answer?.status === Status.MOVING ? "moves" : undefined;
  }

  /** Has the previous holder of a claimed id close its connection; undefined if there is none. Never rejects. */
  evictPrevious(id: string, { previous, claim }: DistSession): Promise<void> | undefined {
    const elsewhere = previous && previous.life !== this.holder.life;
    return elsewhere ? this.evictions.evict(previous, id, claim).then(() => {}) : undefined;
  }

  /** Tells again while the client that is asked for is on its way to the other node. */
  async #tell(to: Holder, item: SizedItem, deadlineMs: number): Promise<Answer> {
    for (;;) {
      const answer = await this.links.call(to, item, deadlineMs);
      if (answer.status !== Status.FAILED) return answer;
      await new Promise((resolve) => setTimeout(resolve, ARRIVING_MS));
    }
  }

  /** Gives a claim up, once its previous holder knows that it was taken over. */
  release(id: string, claim: bigint): void {
    const { life } = this.holder;
    if (this.moves.get(id)?.client.open === false) this.moves.end(id);
    this.evictions.whenTold(id, () => this.claims.release(id, life, claim));
  }
}

/** Before the first message of a topic. */
const NOWHERE = { epoch: "", offset: 0 };
/** Milliseconds until a node is asked again for a client that was on its way to it. */
const ARRIVING_MS = 20;
