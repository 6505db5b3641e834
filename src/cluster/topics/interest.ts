import { about } from "../../base/log/about.ts";
import { interestItem, type SizedItem } from "../../link/items.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Holder, Storage } from "../../storage/storage.ts";

const RESTORES_AT_ONCE = 64;

/**
 * The topics on which this node has clients, as the others know them.
 *
 * The storage is written once when a topic gets its first local listener and once when it loses its last. The first
 * listener waits until every node that publishes to the topic from its cache has been told, or could not be told.
 */
export class Interest {
  readonly #deps: InterestDependencies;
  /** Settles when the others know. */
  readonly #wanted = new Map<string, Promise<void>>();
  /** The last write of each topic that is under way: the next waits for it, so that they take effect in their order. */
  readonly #writing = new Map<string, Promise<void>>();
  /** Topics of which a write failed: it may have taken effect, or still may, and undo what was written after it. */
  readonly #unsure = new Set<string>();
  /** Nodes that could not be told: tried again at each renewal of the lease. */
  readonly #untold = new Map<string, { node: Holder; topics: Set<string> }>();

  constructor(deps: InterestDependencies) {
    this.#deps = deps;
  }

  /** This node has a listener on the topic. Rejects, and the next call tries again, if the storage fails. */
  want(topic: string): Promise<void> {
    const known = this.#wanted.get(topic);
    if (known) return known;
    const wanted = this.#write(topic, async () => {
      await Promise.all(await this.#announce(topic));
    });
    this.#wanted.set(topic, wanted);
    wanted.catch(() => {
      if (this.#wanted.get(topic) === wanted) this.#wanted.delete(topic);
      this.#unsure.add(topic);
    });
    return wanted;
  }

  /** The topic lost its last listener on this node. */
  unwant(topic: string): void {
    if (this.#wanted.delete(topic)) void this.#write(topic, () => this.#withdraw(topic));
  }

  /** The storage lost what it knew: writes it again. Rejects when the storage fails. */
  async restore(): Promise<void> {
    const topics = [...this.#wanted.keys()];
    const told: Promise<void>[] = [];
    const worker = async (): Promise<void> => {
      for (let topic = topics.pop(); topic !== undefined; topic = topics.pop()) await this.#announceAgain(topic, told);
    };
    const workers = await Promise.allSettled(Array.from({ length: RESTORES_AT_ONCE }, worker));
    void this.#late(told);
    for (const done of workers) if (done.status === "rejected") throw done.reason;
  }

  /** Until they were told, these nodes published without this one. */
  async #late(told: readonly Promise<void>[]): Promise<void> {
    await Promise.all(told);
    if (told.length > 0) this.#deps.toldLate?.();
  }

  /** Tells the nodes that could not be told before, and writes again what failed. */
  retry(): void {
    const untold = [...this.#untold.values()];
    this.#untold.clear();
    for (const { node, topics } of untold) {
      for (const topic of topics) if (this.#wanted.has(topic)) void this.#tell(node, topic).then(this.#deps.toldLate);
    }
    const unsure = [...this.#unsure];
    this.#unsure.clear();
    for (const topic of unsure) {
      const told: Promise<void>[] = [];
      const again = (): Promise<void> => this.#announceAgain(topic, told).then(() => this.#late(told));
      if (this.#wanted.has(topic)) again().catch(() => this.#unsure.add(topic));
      else void this.#write(topic, () => this.#withdraw(topic));
    }
  }

  /** Whether the node was told of every one of these topics that it has to know of. */
  isKnownTo({ life }: Holder, topics: readonly string[]): boolean {
    const untold = this.#untold.get(life)?.topics;
    return untold === undefined || !topics.some((topic) => untold.has(topic));
  }

  /** A node is gone and need not be told any more. */
  forget(life: string): void {
    this.#untold.delete(life);
  }

  /** Runs a write after those of the same topic. */
  #write(topic: string, write: () => Promise<void>): Promise<void> {
    const written = (this.#writing.get(topic) ?? Promise.resolve()).then(write, write);
    this.#writing.set(topic, written);
    const settled = (): void => {
      if (this.#writing.get(topic) === written) this.#writing.delete(topic);
    };
    written.then(settled, settled);
    return written;
  }

  /** Rejects if the storage fails. Does not wait for the nodes that are told: adds a promise for each. */
  #announceAgain(topic: string, told: Promise<void>[]): Promise<void> {
    return this.#write(topic, async () => {
      if (this.#wanted.has(topic)) told.push(...await this.#announce(topic));
    });
  }

  /** Writes the interest, then tells the nodes that cache the topic: the inner promises settle when they know. */
  async #announce(topic: string): Promise<Promise<void>[]> {
    const { storage, node: { holder } } = this.#deps;
    const publishers = await storage.subscribe(topic, holder);
    const others = publishers.filter((publisher) => publisher.life !== holder.life);
    return others.map((publisher) => this.#tell(publisher, topic));
  }

  async #tell(node: Holder, topic: string): Promise<void> {
    const { links, timeoutMs, logger } = this.#deps;
    try {
      // A node that is silent must not make subscriptions fail: they wait for twice as long.
      await links.call(node, interestItem(topic), performance.now() + timeoutMs / 2);
    } catch (error) {
      logger.warn(
        `meshsocket: could not tell ${node.host} of a subscription: it is told again`,
        error,
        about("subscription_untold", { node: node.host }),
      );
      const untold = this.#untold.get(node.life) ?? { node, topics: new Set() };
      untold.topics.add(topic);
      this.#untold.set(node.life, untold);
    }
  }

  /** Never rejects. */
  async #withdraw(topic: string): Promise<void> {
    const { storage, node, logger } = this.#deps;
    try {
      if (!this.#wanted.has(topic)) await storage.unsubscribe(topic, node.holder);
    } catch (error) {
      // Left behind, it costs a publisher one call, which is answered "not here".
      logger.warn(
        "meshsocket: could not withdraw an unused topic from the storage: it is tried again",
        error,
        about("topic_not_withdrawn"),
      );
      this.#unsure.add(topic);
    }
  }
}

/** Dependencies of {@link Interest}. */
export interface InterestDependencies {
  storage: Storage;
  node: { readonly holder: Holder };
  /** Tells another node; may reject. */
  links: { call(to: Holder, item: SizedItem, deadlineMs: number): Promise<unknown> };
  /** A node was told late: what it published before was missed. */
  toldLate?(this: void): void;
  /** How long a subscription waits. */
  timeoutMs: number;
  logger: Logger;
}
