import { BoundedMap } from "../../base/bounded-map.ts";
import type { Holder, Storage } from "../../storage/storage.ts";

/**
 * The other nodes with clients on a topic, as this node knows them for publishing.
 *
 * The storage is asked once per topic; from then on it knows that this node caches, and every node that gets its first
 * listener tells it. A node that answers "not here" is dropped, unless it announced itself since the message was sent.
 */
export class Audience {
  readonly #deps: AudienceDependencies;
  /** By topic: nodes by life. Entries are replaced, never changed, so that a late "not here" is known from a timely one. */
  readonly #topics: BoundedMap<string, Map<string, Holder>>;
  /** The nodes that were known before the storage lost them: kept until the next look-up of a topic, in case not everyone has written it again. */
  readonly #former: BoundedMap<string, Map<string, Holder>>;
  readonly #lookUps = new Map<string, LookUp>();
  /** Of each caller that waits to learn the nodes: settles when it knows them. */
  readonly #asking = new Set<Promise<void>>();

  constructor(deps: AudienceDependencies) {
    this.#deps = deps;
    this.#topics = new BoundedMap(deps.maxTopics);
    this.#former = new BoundedMap(deps.maxTopics);
  }

  /**
   * Hands the nodes with clients on the topic to `use`: at once when they are known and no earlier caller still waits to
   * learn them, and always in the order of the callers. When the storage fails it hands on `otherwise()`, or rejects.
   */
  async find<Result>(
    topic: string,
    use: (nodes: Iterable<Holder>) => Promise<Result>,
    otherwise?: () => Iterable<Holder>,
  ): Promise<Result> {
    const known = this.knows(topic) ? this.#topics.get(topic) : undefined;
    if (known) return await use(known.values());
    const lookUp = this.#lookUps.get(topic) ?? this.#lookUp(topic);
    const asked = Promise.withResolvers<void>();
    this.#asking.add(asked.promise);
    lookUp.waiters++;
    let used: Promise<Result>;
    try {
      used = use(await lookUp.result.then((nodes) => nodes.values(), otherwise));
    } finally {
      asked.resolve();
      this.#asking.delete(asked.promise);
      // Only now: the next caller finds the topic known, and must not overtake.
      if (--lookUp.waiters === 0 && this.#lookUps.get(topic) === lookUp) this.#lookUps.delete(topic);
    }
    return await used;
  }

  /** Whether the nodes are known, and no earlier caller waits to learn them. */
  knows(topic: string): boolean {
    return !this.#lookUps.has(topic) && this.#topics.get(topic) !== undefined;
  }

  /** Whether a caller of {@link Audience.find} waits to learn the nodes. */
  get isAsking(): boolean {
    return this.#asking.size > 0;
  }

  /** Settles when the callers that wait now have handed the nodes on. */
  async answered(): Promise<void> {
    await Promise.all(this.#asking);
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

  /** A send to this entry failed, and nobody knows that node: the topic is looked up again before its next use. */
  doubt(topic: string, entry: Holder): void {
    if (this.#topics.get(topic)?.get(entry.life) === entry) this.#topics.delete(topic);
  }

  /** A node is gone. */
  forgetLife(life: string): void {
    for (const topics of [this.#topics, this.#former]) {
      for (const nodes of topics.values()) nodes.delete(life);
    }
  }

  /** The storage no longer knows that this node caches: every topic is looked up again before its next use. */
  clear(): void {
    for (const [topic, nodes] of this.#topics) this.#former.set(topic, nodes);
    this.#topics.clear();
    this.#lookUps.clear();
  }

  #lookUp(topic: string): LookUp {
    const announced = new Map<string, Holder>();
    const lookUp: LookUp = { announced, result: this.#ask(topic, announced), waiters: 0 };
    this.#lookUps.set(topic, lookUp);
    return lookUp;
  }

  async #ask(topic: string, announced: Map<string, Holder>): Promise<Nodes> {
    const { storage, node: { holder } } = this.#deps;
    const found = await storage.subscribers(topic, holder);
    const nodes = new Map(this.#former.get(topic));
    for (const node of [...found, ...announced.values()]) if (node.life !== holder.life) nodes.set(node.life, node);
    // After a clear() the storage may not know that this node caches.
    if (this.#lookUps.get(topic)?.announced === announced) this.#remember(topic, nodes);
    return nodes;
  }

  #remember(topic: string, nodes: Map<string, Holder>): void {
    this.#former.delete(topic);
    this.#topics.set(topic, nodes);
  }
}

/** Dependencies of {@link Audience}. */
export interface AudienceDependencies {
  storage: Storage;
  /** This node, which caches what it looks up. */
  node: { readonly holder: Holder };
  maxTopics: number;
}

type Nodes = ReadonlyMap<string, Holder>;

interface LookUp {
  /** Nodes that announced themselves while the storage was asked. */
  readonly announced: Map<string, Holder>;
  readonly result: Promise<Nodes>;
  waiters: number;
}
