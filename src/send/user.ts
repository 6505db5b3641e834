import { type Calls, ONE_MESSAGE, SEND_OPTIONS } from "./calls.ts";
import { checkClose, checkCount } from "../base/check/check.ts";
import { checkTopic } from "../base/check/topic.ts";
import { CloseCode } from "../base/close-code.ts";
import { exceptSet } from "./except.ts";
import { Frame, type Message } from "./frame.ts";
import type { Limits } from "../base/limits.ts";
import { checkSize, MANY_OPTIONS, MEMBERS_OPTIONS } from "./sender.ts";
import type { UserVerbs } from "./user-verbs.ts";
import type { Delivery, Members, MembersOptions, SendOptions, SendToManyOptions } from "./verbs.ts";

/**
 * All clients of one user, on every node: `hub.user("alice")`.
 *
 * Every verb rejects as those of the hub do. A verb starts with the clients that are connected or away at that moment.
 *
 * ```ts
 * const alice = hub.user("alice");
 * await alice.emit("hi"); // { delivered, held, dropped, unreachable }
 * await alice.online(); // true
 * await alice.request("accept the call?", { timeoutMs: 30_000 }); // the first reply
 * await alice.subscribe("room:1"); // how many of her clients listen now
 * await alice.disconnect(4401, "signed out"); // how many of her clients that closed
 * ```
 */
export class User {
  readonly name: string;
  readonly #deps: UserDependencies;

  /** @internal */
  constructor(name: string, deps: UserDependencies) {
    this.name = name;
    this.#deps = deps;
  }

  /** Sends to all clients of the user; `except` leaves some out, such as the one that the message came from. */
  emit(message: Message, options?: SendToManyOptions): Promise<Delivery> {
    const { calls, limits, verbs } = this.#deps;
    return calls.run("user_emit", options, (checked) => {
      checkCount("emit(message, options)", arguments.length, 2, ONE_MESSAGE);
      const frame = checkSize(Frame.of(message), limits);
      return verbs.emit(this.name, frame, exceptSet(options?.except), checked);
    }, MANY_OPTIONS);
  }

  /** Whether the user has a client. Rejects with `unavailable` when none is known and a node did not answer. */
  online(options?: SendOptions): Promise<boolean> {
    return this.#deps.calls.run("user_online", options, (checked) => {
      checkCount("online(options)", arguments.length, 1);
      return this.#deps.verbs.online(this.name, checked);
    }, SEND_OPTIONS);
  }

  /** The ids of the user's clients; with `{ info: true }` also their infos. */
  clients(options?: MembersOptions): Promise<Members> {
    return this.#deps.calls.run("user_clients", options, (checked) => {
      checkCount("clients(options)", arguments.length, 1);
      return this.#deps.verbs.clients(this.name, checked);
    }, MEMBERS_OPTIONS);
  }

  /**
   * Makes the user's clients listen on a topic, and resolves with how many do now. Clients that connect later do not: let
   * `onConnect` subscribe them.
   *
   * When a node did not answer it rejects with `unavailable`, once the clients of the others listen: call it again.
   */
  subscribe(topic: string, options?: SendOptions): Promise<number> {
    return this.#deps.calls.run("user_subscribe", options, (checked) => {
      checkCount("subscribe(topic, options)", arguments.length, 2);
      checkTopic(topic, this.#deps.limits.maxTopicBytes);
      return this.#deps.verbs.subscribe(this.name, topic, checked);
    });
  }

  /** Makes the user's clients stop listening on a topic; resolves and rejects as {@link User.subscribe} does. */
  unsubscribe(topic: string, options?: SendOptions): Promise<number> {
    return this.#deps.calls.run("user_unsubscribe", options, (checked) => {
      checkCount("unsubscribe(topic, options)", arguments.length, 2);
      checkTopic(topic, this.#deps.limits.maxTopicBytes);
      return this.#deps.verbs.unsubscribe(this.name, topic, checked);
    });
  }

  /**
   * Closes the user's clients, in order after what was sent to each, and resolves with how many. `code` defaults to 1000.
   *
   * When a node did not answer it rejects with `unavailable`, once the clients of the others are closed: call it again.
   */
  disconnect(code: number = CloseCode.Normal, reason = "", options?: SendOptions): Promise<number> {
    return this.#deps.calls.run("user_disconnect", options, (checked) => {
      checkCount("disconnect(code, reason, options)", arguments.length, 3);
      checkClose(code, reason);
      return this.#deps.verbs.disconnect(this.name, code, reason, checked);
    });
  }

  /**
   * Asks all clients of the user that speak `meshsocket.v1`, and resolves with the first reply; the other requests are given up.
   *
   * Rejects with `not_found` when the user has no client, `unavailable` when none is known and a node did not answer, and else,
   * when no client replies, with the error of one of them, as `request(id)` of the hub does.
   */
  request(message: Message, options?: SendOptions): Promise<string | Uint8Array> {
    return this.#deps.calls.run("user_request", options, (checked) => {
      checkCount("request(message, options)", arguments.length, 2, ONE_MESSAGE);
      return this.#deps.verbs.request(this.name, checkSize(Frame.of(message), this.#deps.limits), checked);
    });
  }
}

/** Dependencies of {@link User}. */
export interface UserDependencies {
  readonly limits: Readonly<Limits>;
  readonly verbs: UserVerbs;
  readonly calls: Calls;
}
