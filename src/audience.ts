import type { Holder, Storage } from "./storage/storage.ts";

/** What an {@link Audience} stands on. */
export interface AudienceOptions {
  storage: Storage;
  /** Who caches; undefined for a caller that caches nothing. */
  holder: () => Holder | undefined;
  maxTopics: number;
}

interface LookUp {
  /** Nodes that announced themselves while the storage was asked. */
  readonly announced: Map<string, Holder>;
  readonly result: Promise<ReadonlyMap<string, Holder>>;
  waiters: number;
}

/**
 * Which other nodes have clients on a topic, as this node knows it for publishing.
 *
 * The storage is asked once per topic; from then on it knows that this node caches, and every node that gets its first
 * listener tells it. A node that answers "not here" is dropped, unless it announced itself since the message was sent.
 */
export class Audience {
  readonly #options: AudienceOptions;
  /** By topic: nodes by life. Entries are replaced, never changed, so that a late "not here" can be told from a timely one. */
  readonly #topics = new Map<string, Map<string, Holder>>();
  readonly #lookUps = new Map<string, LookUp>();

  constructor(options: AudienceOptions) {
    this.#options = options;
  }

  /** The nodes with clients on the topic, when that is known and no earlier caller still waits to learn it. */
  known(topic: string): ReadonlyMap<string, Holder> | undefined {
    return this.#lookUps.has(topic) ? undefined : this.#topics.get(topic);
  }

  /** The nodes with clients on the topic; callers go on in the order they came. Rejects when the storage fails. */
  async find(topic: string): Promise<ReadonlyMap<string, Holder>> {
    const known = this.known(topic);
    if (known) return known;
    const lookUp = this.#lookUps.get(topic) ?? this.#lookUp(topic);
    lookUp.waiters++;
    try {
      return await lookUp.result;
    } finally {
      if (--lookUp.waiters === 0 && this.#lookUps.get(topic) === lookUp) this.#lookUps.delete(topic);
    }
  }

  /** Another node got its first listener on the topic. */
  announced(topic: string, node: Holder): void {
    this.#lookUps.get(topic)?.announced.set(node.life, node);
    this.#topics.get(topic)?.set(node.life, { ...node });
  }

  /** A node answered "not here" to what was sent to this very entry. */
  drop(topic: string, entry: Holder): void {
    const nodes = this.#topics.get(topic);
    if (nodes?.get(entry.life) === entry) nodes.delete(entry.life);
  }

  /** A node is gone. */
  forgetLife(life: string): void {
    for (const nodes of this.#topics.values()) nodes.delete(life);
  }

  /** The storage no longer knows that this node caches: forgets everything. */
  clear(): void {
    this.#topics.clear();
    this.#lookUps.clear();
  }

  #lookUp(topic: string): LookUp {
    const announced = new Map<string, Holder>();
    const lookUp: LookUp = { announced, result: this.#ask(topic, announced), waiters: 0 };
    this.#lookUps.set(topic, lookUp);
    return lookUp;
  }

  async #ask(topic: string, announced: Map<string, Holder>): Promise<ReadonlyMap<string, Holder>> {
    const holder = this.#options.holder();
    const found = await this.#options.storage.subscribers(topic, holder);
    const nodes = new Map<string, Holder>();
    for (const node of [...found, ...announced.values()]) if (node.life !== holder?.life) nodes.set(node.life, node);
    // After a clear() the storage may not know that this node caches.
    if (holder && this.#lookUps.get(topic)?.announced === announced) this.#remember(topic, nodes);
    return nodes;
  }

  #remember(topic: string, nodes: Map<string, Holder>): void {
    this.#topics.set(topic, nodes);
    if (this.#topics.size <= this.#options.maxTopics) return;
    const oldest = this.#topics.keys().next().value;
    if (oldest !== undefined) this.#topics.delete(oldest);
  }
}
