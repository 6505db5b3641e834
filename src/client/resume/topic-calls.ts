import { checkTopic } from "../../base/check/topic.ts";
import type { Limits } from "../../base/limits.ts";
import type { Message } from "../../send/frame.ts";
import type { Delivery, SendToTopicOptions } from "../../send/verbs.ts";
import { publishedLine, type Subscribed, subscribedLine, type TopicCall } from "../../wire/topics.ts";
import { replyLine } from "../../wire/v1.ts";
import type { Handlers } from "../handlers.ts";
import type { Turns } from "./turns.ts";

/**
 * Does what one client of `meshsocket.v1` asks for with topics, if its session allows it: subscriptions of its own, and messages
 * to a topic.
 *
 * Decisions are made one at a time, so that calls take effect in their order; what follows them overlaps.
 */
export class TopicCalls<Own extends TopicClient> {
  readonly #client: Own;
  readonly #owner: TopicOwner<Own>;
  /** The decision that the next one waits for; undefined if none is being made. */
  #deciding: Promise<unknown> | undefined;

  constructor(client: Own, owner: TopicOwner<Own>) {
    this.#client = client;
    this.#owner = owner;
  }

  /** Resolves with the line to answer with. Rejects with the error to answer with. */
  async answer(call: TopicCall): Promise<string> {
    const turn = this.#deciding ?? (call.type === "subscribe" ? this.#owner.turns.take() : undefined);
    const begun = turn ? turn.then(() => this.#begin(call)) : this.#begin(call);
    if (begun instanceof Promise) this.#wait(begun);
    return await (await begun).line;
  }

  #wait(begun: Promise<unknown>): void {
    const over = (): void => {
      if (this.#deciding === deciding) this.#deciding = undefined;
    };
    const deciding = begun.then(over, over);
    this.#deciding = deciding;
  }

  /** Decides, and starts the call as soon as that is done. */
  #begin(call: TopicCall): Begun | Promise<Begun> {
    checkTopic(call.topic, this.#owner.limits.maxTopicBytes);
    const allowed = this.#allow(call);
    return allowed ? allowed.then(() => ({ line: this.#start(call) })) : { line: this.#start(call) };
  }

  #allow(call: TopicCall): Promise<void> | undefined {
    const { handlers } = this.#client;
    if (call.type === "unsubscribe") return undefined;
    if (call.type === "subscribe") return handlers.allow("onSubscribe", call.topic);
    return handlers.allow("onPublish", call.topic, call.payload);
  }

  async #start(call: TopicCall): Promise<string> {
    if (call.type === "subscribe") return await this.#subscribe(call);
    if (call.type === "publish") return await this.#publish(call);
    this.#owner.unlisten(this.#client, call.topic);
    return replyLine(call.number);
  }

  async #subscribe(call: SubscribeCall): Promise<string> {
    return subscribedLine(call.number, await this.#owner.listen(this.#client, call));
  }

  /** The client itself gets the message too if it listens: a topic is the same for all. */
  async #publish({ topic, payload, number, key }: TopicCall & { readonly type: "publish" }): Promise<string> {
    return publishedLine(number, await this.#owner.publish(topic, payload, { key }));
  }
}

/** The client asks to listen. */
export type SubscribeCall = TopicCall & { readonly type: "subscribe" };

/** A call that has begun: an object, because a promise that is returned would be waited for. */
interface Begun {
  readonly line: Promise<string>;
}

/** The client of {@link TopicCalls}. */
export interface TopicClient {
  readonly handlers: Pick<Handlers<unknown>, "allow">;
}

/** Dependencies of {@link TopicCalls}. */
export interface TopicOwner<Own> {
  readonly limits: Readonly<Limits>;
  readonly turns: Turns;
  /**
   * Makes a client listen that asked for it itself: it is told the topic with each message. `from` is the place in the topic's history that it
   * named, not looked at yet. Rejects if that cannot be.
   */
  listen(client: Own, call: SubscribeCall): Promise<Subscribed>;
  /** Ends what {@link TopicOwner.listen} began. */
  unlisten(client: Own, topic: string): void;
  publish(topic: string, message: Message, options: SendToTopicOptions): Promise<Delivery>;
}
