import { checkTopic } from "../../base/check/topic.ts";
import { MeshError } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import type { Message } from "../../send/frame.ts";
import type { Delivery, SendToManyOptions } from "../../send/verbs.ts";
import { publishedLine, subscribedLine, type TopicCall } from "../../wire/topics.ts";
import { replyLine } from "../../wire/v1.ts";
import type { Handlers } from "../handlers.ts";

/**
 * Does what one client of `meshsocket.v1` asks for with topics, if its session allows it: subscriptions of its own, and messages
 * to a topic.
 *
 * Decisions are made one at a time, so that calls take effect in their order; what follows them overlaps.
 */
export class TopicCalls<Own extends TopicClient> {
  readonly #client: Own;
  readonly #owner: TopicOwner<Own>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: Own, owner: TopicOwner<Own>) {
    this.#client = client;
    this.#owner = owner;
  }

  /** Resolves with the line to answer with. Rejects with the error to answer with. */
  async answer(call: TopicCall): Promise<string> {
    const begun = this.#begin(call, this.#last);
    this.#last = begun.catch(() => {});
    return await (await begun).line;
  }

  /** Decides, and starts the call at once; an object, because a promise that is returned would be waited for. */
  async #begin(call: TopicCall, before: Promise<unknown>): Promise<{ readonly line: Promise<string> }> {
    await before;
    checkTopic(call.topic, this.#owner.limits.maxTopicBytes);
    const { handlers } = this.#client;
    if (call.type === "subscribe") {
      await handlers.allow("onSubscribe", call.topic);
      return { line: this.#subscribe(call) };
    }
    if (call.type === "unsubscribe") {
      this.#owner.unlisten(this.#client, call.topic);
      return { line: Promise.resolve(replyLine(call.number)) };
    }
    // Without a history nobody would notice the second message of a key.
    if (call.key !== undefined) {
      throw new MeshError("failed_precondition", "this server keeps no history: omit the key");
    }
    await handlers.allow("onPublish", call.topic, call.payload);
    return { line: this.#publish(call.topic, call.payload, call.number) };
  }

  async #subscribe({ topic, number, from }: TopicCall & { readonly type: "subscribe" }): Promise<string> {
    await this.#owner.listen(this.#client, topic);
    return subscribedLine(number, { recovered: from === undefined ? undefined : false });
  }

  /** The client itself gets the message too if it listens: a topic is the same for all. */
  async #publish(topic: string, payload: Message, number: number): Promise<string> {
    return publishedLine(number, await this.#owner.publish(topic, payload, {}));
  }
}

/** The client of {@link TopicCalls}. */
export interface TopicClient {
  readonly handlers: Pick<Handlers<unknown>, "allow">;
}

/** Dependencies of {@link TopicCalls}. */
export interface TopicOwner<Own> {
  readonly limits: Readonly<Limits>;
  /** Makes a client listen that asked for it itself: it is told the topic with each message. Rejects if that cannot be. */
  listen(client: Own, topic: string): Promise<void>;
  /** Ends what {@link TopicOwner.listen} began. */
  unlisten(client: Own, topic: string): void;
  publish(topic: string, message: Message, options: SendToManyOptions): Promise<Delivery>;
}
