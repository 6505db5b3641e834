import { checkName } from "./check.ts";
import type { Clients } from "./clients.ts";
import type { Connection } from "./connection.ts";
import { abortable, deadlineOf, withTimeout } from "./deadline.ts";
import { invalidArgument, MeshError } from "./error.ts";
import type { Limits } from "./limits.ts";
import type { SendOptions } from "./verbs.ts";

/** Who has to know that this node has listeners on a topic. */
export interface TopicInterest {
  /** Settles when they know; called for every listener. */
  want(topic: string): Promise<void>;
  /** The last listener on this node is gone. */
  unwant(topic: string): void;
}

/** Makes this node's clients listen on topics, and stop. */
export class Subscriptions<Data = unknown> {
  /** On one node alone nobody else has to know. */
  interest: TopicInterest | undefined;
  readonly #clients: Clients<Data>;
  readonly #limits: Readonly<Limits>;

  constructor(clients: Clients<Data>, limits: Readonly<Limits>) {
    this.#clients = clients;
    this.#limits = limits;
  }

  /** Settles when every send that starts from now on reaches the client. Rejects, and changes nothing, when that fails. */
  async add(connection: Connection<Data>, topics: readonly string[], options: SendOptions = {}): Promise<void> {
    this.#check(topics);
    const added = topics.filter((topic) => !connection.topics.has(topic));
    const { maxTopicsPerClient } = this.#limits;
    if (connection.topics.size + new Set(added).size > maxTopicsPerClient) {
      throw new MeshError("resource_exhausted", `a client listens on at most ${maxTopicsPerClient} topics`);
    }
    if (!connection.open) return;
    for (const topic of added) this.#clients.topics.add(topic, connection);
    const { interest } = this;
    if (!interest) return;
    try {
      const known = Promise.all(topics.map((topic) => interest.want(topic)));
      const timeoutMs = deadlineOf(options, this.#limits.timeoutMs) - performance.now();
      await abortable(withTimeout(known, timeoutMs, "the subscription"), options.signal);
    } catch (error) {
      for (const topic of added) this.#delete(connection, topic);
      throw error;
    }
  }

  /** Nothing published from now on reaches the client. */
  async delete(connection: Connection<Data>, topics: readonly string[]): Promise<void> {
    this.#check(topics);
    for (const topic of topics) this.#delete(connection, topic);
  }

  /** Takes a client off all its topics. */
  deleteAll(connection: Connection<Data>): void {
    for (const topic of [...connection.topics]) this.#delete(connection, topic);
  }

  #delete(connection: Connection<Data>, topic: string): void {
    if (this.#clients.topics.delete(topic, connection)) this.interest?.unwant(topic);
  }

  #check(topics: readonly string[]): void {
    if (!Array.isArray(topics)) throw invalidArgument("topics are a string or an array of strings");
    for (const topic of topics) checkName("topic", topic, this.#limits.maxTopicBytes);
  }
}
