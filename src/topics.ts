import type { Connection } from "./connection.ts";

/** Which connections of this node listen on which topic. */
export class TopicIndex<Data> {
  readonly #byTopic = new Map<string, Set<Connection<Data>>>();

  /** The topics that have listeners. */
  names(): Iterable<string> {
    return this.#byTopic.keys();
  }

  listeners(topic: string): ReadonlySet<Connection<Data>> | undefined {
    return this.#byTopic.get(topic);
  }

  /** The ids of a topic's listeners. */
  ids(topic: string): string[] {
    return Array.from(this.#byTopic.get(topic) ?? [], (connection) => connection.id);
  }

  /** Adds a listener; true when it is the topic's first on this node. */
  add(topic: string, connection: Connection<Data>): boolean {
    let listeners = this.#byTopic.get(topic);
    const first = listeners === undefined;
    if (!listeners) this.#byTopic.set(topic, listeners = new Set());
    listeners.add(connection);
    (connection.topicSet ??= new Set()).add(topic);
    return first;
  }

  /** Removes a listener; true when it was the topic's last on this node. */
  delete(topic: string, connection: Connection<Data>): boolean {
    connection.topicSet?.delete(topic);
    const listeners = this.#byTopic.get(topic);
    if (!listeners?.delete(connection) || listeners.size > 0) return false;
    this.#byTopic.delete(topic);
    return true;
  }
}
