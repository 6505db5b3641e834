import type { Connection } from "./connection.ts";

/** Is told of every client of this node that starts or stops listening on a topic. */
export interface TopicObserver {
  joined(member: Listener): void;
  left(member: Listener): void;
}

/** A connection as an observer sees it. */
export type Listener = Pick<Connection, "id" | "info" | "replaced">;

/** Which connections of this node listen on which topic. */
export class TopicIndex<Data> {
  readonly #beforeChange: (listeners: ReadonlySet<Connection<Data>>) => void;
  readonly #byTopic = new Map<string, Set<Connection<Data>>>();
  readonly #observers = new Map<string, Set<TopicObserver>>();

  /** `beforeChange` is called before a topic's listeners change. */
  constructor(beforeChange: (listeners: ReadonlySet<Connection<Data>>) => void) {
    this.#beforeChange = beforeChange;
  }

  /** Tells the observer of every change from now on; returns the function that removes it. */
  observe(topic: string, observer: TopicObserver): () => void {
    let observers = this.#observers.get(topic);
    if (!observers) this.#observers.set(topic, observers = new Set());
    observers.add(observer);
    return () => {
      if (observers.delete(observer) && observers.size === 0) this.#observers.delete(topic);
    };
  }

  /** The topics that have listeners. */
  names(): Iterable<string> {
    return this.#byTopic.keys();
  }

  listeners(topic: string): ReadonlySet<Connection<Data>> | undefined {
    return this.#byTopic.get(topic);
  }

  /** Adds a listener; true when it is the topic's first on this node. */
  add(topic: string, connection: Connection<Data>): boolean {
    let listeners = this.#byTopic.get(topic);
    const first = listeners === undefined;
    if (!listeners) this.#byTopic.set(topic, listeners = new Set());
    if (listeners.has(connection)) return false;
    this.#beforeChange(listeners);
    listeners.add(connection);
    for (const observer of this.#observers.get(topic) ?? []) observer.joined(connection);
    (connection.topicSet ??= new Set()).add(topic);
    return first;
  }

  /** Removes a listener; true when it was the topic's last on this node. */
  delete(topic: string, connection: Connection<Data>): boolean {
    connection.topicSet?.delete(topic);
    const listeners = this.#byTopic.get(topic);
    if (!listeners?.has(connection)) return false;
    this.#beforeChange(listeners);
    listeners.delete(connection);
    for (const observer of this.#observers.get(topic) ?? []) observer.left(connection);
    if (listeners.size > 0) return false;
    this.#byTopic.delete(topic);
    return true;
  }
}
