import type { SizedItem } from "./items.ts";
import { interestItem } from "./items.ts";
import type { Logger } from "./logger.ts";
import type { Holder, Storage } from "./storage/storage.ts";

/** What {@link Interest} stands on. */
export interface InterestOptions {
  storage: Storage;
  holder: () => Holder;
  /** Tells one node; may reject. */
  tell: (to: Holder, item: SizedItem) => Promise<unknown>;
  logger: Logger;
}

/**
 * Which topics this node has clients on, as the others know it.
 *
 * The storage is written once when a topic gets its first local listener and once when it loses its last. The first
 * listener waits until every node that publishes to the topic from its cache has been told.
 */
export class Interest {
  readonly #options: InterestOptions;
  /** Settles when the others know. */
  readonly #wanted = new Map<string, Promise<void>>();
  readonly #unwanting = new Map<string, Promise<void>>();
  /** Nodes that could not be told: tried again at each renewal of the lease. */
  readonly #untold = new Map<string, { node: Holder; topics: Set<string> }>();

  constructor(options: InterestOptions) {
    this.#options = options;
  }

  /** This node has a listener on the topic. Rejects, and the next call tries again, when the storage fails. */
  want(topic: string): Promise<void> {
    const known = this.#wanted.get(topic);
    if (known) return known;
    const before = this.#unwanting.get(topic) ?? Promise.resolve();
    const wanted = before.then(() => this.#announce(topic));
    this.#wanted.set(topic, wanted);
    wanted.catch(() => {
      if (this.#wanted.get(topic) === wanted) this.#wanted.delete(topic);
    });
    return wanted;
  }

  /** The topic lost its last listener on this node. */
  unwant(topic: string): void {
    const wanted = this.#wanted.get(topic);
    if (!wanted) return;
    this.#wanted.delete(topic);
    const done = this.#withdraw(topic, wanted).then(() => {
      if (this.#unwanting.get(topic) === done) this.#unwanting.delete(topic);
    });
    this.#unwanting.set(topic, done);
  }

  /** The storage lost what it knew: writes it again. */
  async restore(): Promise<void> {
    const topics = [...this.#wanted.keys()];
    await Promise.allSettled(topics.map((topic) => this.#announce(topic)));
  }

  /** Tells those who could not be told before. */
  retry(): void {
    const untold = [...this.#untold.values()];
    this.#untold.clear();
    for (const { node, topics } of untold) {
      for (const topic of topics) if (this.#wanted.has(topic)) void this.#tell(node, topic);
    }
  }

  /** A node is gone and need not be told any more. */
  forget(life: string): void {
    this.#untold.delete(life);
  }

  async #announce(topic: string): Promise<void> {
    const holder = this.#options.holder();
    const publishers = await this.#options.storage.subscribe(topic, holder);
    const others = publishers.filter((publisher) => publisher.life !== holder.life);
    await Promise.all(others.map((publisher) => this.#tell(publisher, topic)));
  }

  async #tell(node: Holder, topic: string): Promise<void> {
    try {
      await this.#options.tell(node, interestItem(topic));
    } catch (error) {
      this.#options.logger.warn("meshsocket: a publisher could not be told of a subscription", error);
      const untold = this.#untold.get(node.life) ?? { node, topics: new Set() };
      untold.topics.add(topic);
      this.#untold.set(node.life, untold);
    }
  }

  async #withdraw(topic: string, wanted: Promise<void>): Promise<void> {
    try {
      await wanted;
      await this.#options.storage.unsubscribe(topic, this.#options.holder());
    } catch (error) {
      // Left behind, it costs a publisher one call, which is answered "not here".
      this.#options.logger.warn("meshsocket: an unused topic could not be withdrawn", error);
    }
  }
}
