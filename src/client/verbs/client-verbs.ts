import { checkCount } from "../../base/check/check.ts";
import { exceptAlso } from "../../send/except.ts";
import type { Message } from "../../send/frame.ts";
import { ONE_MESSAGE } from "../../send/calls.ts";
import type * as Send from "../../send/verbs.ts";

/** The verbs of a client for the application, which its hub carries out. */
export abstract class ClientVerbs<Own> {
  abstract readonly id: string;
  readonly #owner: ClientVerbsOwner<Own>;

  constructor(owner: ClientVerbsOwner<Own>) {
    this.#owner = owner;
  }

  /** This client, as the hub knows it. */
  protected abstract get own(): Own;

  emit(message: Message, options?: Send.EmitOptions): Promise<boolean> {
    if (arguments.length > 2) return this.#tooMany("emit(message, options)", arguments.length, 2);
    return this.#owner.send(this.own, message, options);
  }

  request(message: Message, options?: Send.SendOptions): Promise<string | Uint8Array> {
    if (arguments.length > 2) return this.#tooMany("request(message, options)", arguments.length, 2);
    return this.#owner.request(this.own, message, options);
  }

  broadcast(message: Message, options: Send.SendToManyOptions = {}): Promise<Send.Delivery> {
    if (arguments.length > 2) return this.#tooMany("broadcast(message, options)", arguments.length, 2);
    return this.#owner.broadcast(message, exceptAlso(options, this.id));
  }

  publish(topic: string, message: Message, options: Send.SendToTopicOptions = {}): Promise<Send.Delivery> {
    if (arguments.length > 3) return this.#tooMany("publish(topic, message, options)", arguments.length, 3);
    return this.#owner.publish(topic, message, exceptAlso(options, this.id));
  }

  subscribe(topic: string, options: Send.ListenOptions & { readonly from: Send.From }): Promise<Send.Recovery>;
  subscribe(topics: string | readonly string[], options?: Send.SendOptions): Promise<void>;
  subscribe(topics: string | readonly string[], options?: Send.ListenOptions): Promise<Send.Recovery | void> {
    if (arguments.length > 2) return this.#tooMany("subscribe(topics, options)", arguments.length, 2);
    return this.#owner.subscribe(this.own, typeof topics === "string" ? [topics] : topics, options);
  }

  unsubscribe(topics: string | readonly string[], options?: Send.SendOptions): Promise<void> {
    if (arguments.length > 2) return this.#tooMany("unsubscribe(topics, options)", arguments.length, 2);
    return this.#owner.unsubscribe(this.own, typeof topics === "string" ? [topics] : topics, options);
  }

  #tooMany(usage: string, given: number, most: number): Promise<never> {
    return this.#owner.rejected(() => checkCount(`client.${usage}`, given, most, ONE_MESSAGE));
  }
}

/** The hub of a client: checks arguments and carries out the verbs. */
export interface ClientVerbsOwner<Own> {
  /** A promise that rejects with the error of `check`, and that is heard like that of a call. */
  rejected(check: () => void): Promise<never>;
  send(client: Own, message: Message, options: Send.EmitOptions | undefined): Promise<boolean>;
  request(client: Own, message: Message, options?: Send.SendOptions): Promise<string | Uint8Array>;
  broadcast(message: Message, options: Send.SendToManyOptions): Promise<Send.Delivery>;
  publish(topic: string, message: Message, options: Send.SendToTopicOptions): Promise<Send.Delivery>;
  subscribe(client: Own, topics: readonly string[], options?: Send.ListenOptions): Promise<Send.Recovery | void>;
  unsubscribe(client: Own, topics: readonly string[], options?: Send.SendOptions): Promise<void>;
}
