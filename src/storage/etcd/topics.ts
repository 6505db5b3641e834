import { noLease } from "../check-holder.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, NOT_FOUND } from "./errors.ts";
import type { EtcdKeys, TopicKind } from "./keys.ts";
import type { EtcdLives } from "./lives.ts";
import { livesBy } from "./value.ts";
import { type Answer, beginsWith, put, read, remove } from "./wire.ts";
import type { Holder } from "../storage.ts";

/** The nodes that are entered in the topics. */
export class EtcdTopics {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #lives: EtcdLives;

  constructor(client: EtcdClient, keys: EtcdKeys, lives: EtcdLives) {
    this.#client = client;
    this.#keys = keys;
    this.#lives = lives;
  }

  /** Adds a holder in one role and returns the holders in the other, in one step. */
  async add(kind: TopicKind, topic: string, holder: Holder, signal?: AbortSignal): Promise<Holder[]> {
    const key = this.#keys.inTopic(kind, topic, holder);
    const others = this.#keys.topic(kind === "subscribers" ? "publishers" : "subscribers", topic);
    for (let attempt = 1;; attempt++) {
      const life = await this.#lives.of(holder);
      const lease = await life.room.reserve(1);
      let taken = 1;
      try {
        const ops = [put(key, "", lease), read(others), read(this.#keys.nodes)];
        const lives = beginsWith(this.#keys.node(holder.host), holder.life);
        const { succeeded, answers: [added, found, nodes] } = await this.#client.txn(lives, ops, [], { signal });
        if (!succeeded) {
          taken = 0;
          throw noLease();
        }
        if (added?.before) this.#lives.freed(added.before.lease);
        return this.#living(found, nodes);
      } catch (error) {
        if (attempt > 1 || !(error instanceof EtcdError && error.status === NOT_FOUND)) throw error;
        life.broken = true;
        life.room.clear();
      } finally {
        life.room.settle(lease, 1, taken);
      }
    }
  }

  async remove(kind: TopicKind, topic: string, holder: Holder, signal?: AbortSignal): Promise<void> {
    const ops = [remove(this.#keys.inTopic(kind, topic, holder))];
    const { answers } = await this.#client.txn([], ops, [], { signal });
    if (answers[0]?.before) this.#lives.freed(answers[0].before.lease);
  }

  async list(kind: TopicKind, topic: string, signal?: AbortSignal): Promise<Holder[]> {
    const ops = [read(this.#keys.topic(kind, topic)), read(this.#keys.nodes)];
    const { answers: [found, nodes] } = await this.#client.txn([], ops, [], { signal });
    return this.#living(found, nodes);
  }

  #living(found: Answer | undefined, nodes: Answer | undefined): Holder[] {
    return (found?.found ?? []).map(({ key }) => this.#keys.holderOf(key)).filter(livesBy(this.#keys, nodes));
  }
}
