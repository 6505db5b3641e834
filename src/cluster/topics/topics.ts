import { Audience } from "./audience.ts";
import type { ClusterDependencies } from "../cluster-dependencies.ts";
import { Interest } from "./interest.ts";
import type { Neighbours } from "../neighbours.ts";
import { PresenceLines } from "./presence-lines.ts";
import type { Holder } from "../../storage/storage.ts";
import type { Destinations } from "./destinations.ts";

/** The nodes with clients on each topic: what this node tells the others of its own, and what it knows of theirs. */
export class Topics<Data> implements Destinations {
  /** The others' knowledge of this node's clients. */
  readonly interest: Interest;
  /** The members of watched topics on other nodes. */
  readonly presence: PresenceLines;
  /** This node's knowledge of the others' clients. */
  readonly audience: Audience;
  readonly #neighbours: Neighbours<Data>;

  constructor({ kept, storage, limits, logger }: ClusterDependencies<Data>, neighbours: Neighbours<Data>) {
    const { links } = neighbours;
    const { timeoutMs } = limits;
    this.#neighbours = neighbours;
    this.audience = new Audience({ storage, node: neighbours, maxTopics: limits.maxRoutes });
    this.interest = new Interest({
      storage,
      node: neighbours,
      links,
      timeoutMs,
      logger,
      toldLate: () => kept.loaded?.verify(),
    });
    this.presence = new PresenceLines({ neighbours, audience: this.audience, timeoutMs });
  }

  all<Result>(use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result> {
    return use(this.#neighbours.nodes());
  }

  /**
   * Hands the other nodes with clients on the topic to `use`, in the order of the callers: every other node if the
   * storage cannot say which.
   */
  ofTopic<Result>(topic: string, use: (nodes: Iterable<Holder>) => Promise<Result>): Promise<Result> {
    return this.audience.find(topic, use, () => this.#neighbours.nodes());
  }

  /** A node answered that it has no clients on the topic. */
  notHere(topic: string, node: Holder): void {
    this.audience.drop(topic, node);
  }

  /** A node did not answer. If it is not one of the living, the topic is looked up again. */
  noAnswer(topic: string, node: Holder): void {
    if (!this.#neighbours.has(node)) this.audience.doubt(topic, node);
  }

  /** Another node got its first client on the topic. */
  announced(topic: string, node: Holder): void {
    this.audience.announced(topic, node);
    this.presence.announced(topic, node);
  }

  /** A life ended. */
  forget(life: string): void {
    this.audience.forgetLife(life);
    this.interest.forget(life);
    this.presence.forget(life);
  }

  /** The storage answered: tries again what failed. */
  retry(): void {
    this.interest.retry();
    this.presence.retry();
  }

  /** The storage no longer knows which topics this node caches. */
  lost(): void {
    this.audience.clear();
  }

  /** Writes to the storage again what it lost. Rejects if that fails. */
  async restore(): Promise<void> {
    await this.interest.restore();
    await this.presence.restore();
  }

  close(): void {
    this.presence.close();
  }
}
