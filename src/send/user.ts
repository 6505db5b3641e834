import { type Calls, ONE_MESSAGE, SEND_OPTIONS } from "./calls.ts";
import { checkClose, checkCount } from "../base/check/check.ts";
import { userTopic } from "../base/check/topic.ts";
import { CloseCode } from "../base/close-code.ts";
import { deadlineOf } from "./deadline.ts";
import { errorCode, MeshError } from "../base/error.ts";
import { exceptSet } from "./except.ts";
import { Frame, type Message } from "./frame.ts";
import type { Limits } from "../base/limits.ts";
import { checkSize, MANY_OPTIONS, MEMBERS_OPTIONS } from "./sender.ts";
import type { Delivery, Members, MembersOptions, SendOptions, SendToManyOptions, Verbs } from "./verbs.ts";

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
 * await alice.disconnect(4401, "signed out"); // how many of her clients that closed
 * ```
 */
export class User {
  readonly name: string;
  readonly #deps: UserDependencies;
  readonly #topic: string;

  /** @internal */
  constructor(name: string, deps: UserDependencies) {
    this.name = name;
    this.#deps = deps;
    this.#topic = userTopic(name);
  }

  /** Sends to all clients of the user; `except` leaves some out, such as the one that the message came from. */
  emit(message: Message, options?: SendToManyOptions): Promise<Delivery> {
    const { calls, limits, verbs } = this.#deps;
    return calls.run("user_emit", options, (checked) => {
      checkCount("emit(message, options)", arguments.length, 2, ONE_MESSAGE);
      const frame = checkSize(Frame.of(message), limits);
      return verbs.publish(this.#topic, frame, exceptSet(options?.except), checked);
    }, MANY_OPTIONS);
  }

  /** Whether the user has a client. Rejects with `unavailable` when none is known and a node did not answer. */
  online(options?: SendOptions): Promise<boolean> {
    return this.#deps.calls.run("user_online", options, async (checked) => {
      checkCount("online(options)", arguments.length, 1);
      const { count, unreachable } = await this.#deps.verbs.count(this.#topic, checked);
      if (count === 0) checkReached(unreachable, "could not tell whether the user is online");
      return count > 0;
    }, SEND_OPTIONS);
  }

  /** The ids of the user's clients; with `{ info: true }` also their infos. */
  clients(options?: MembersOptions): Promise<Members> {
    return this.#deps.calls.run("user_clients", options, (checked) => {
      checkCount("clients(options)", arguments.length, 1);
      return this.#deps.verbs.members(this.#topic, checked);
    }, MEMBERS_OPTIONS);
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
      return this.#disconnect(code, reason, checked);
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
      return this.#request(checkSize(Frame.of(message), this.#deps.limits), checked);
    });
  }

  async #disconnect(code: number, reason: string, options: SendOptions): Promise<number> {
    const { verbs } = this.#deps;
    const left = this.#leftOf(options);
    const { ids, unreachable } = await verbs.members(this.#topic, options);
    const closed = await Promise.allSettled(ids.map((id) => verbs.disconnect(id, code, reason, left())));
    for (const one of closed) if (one.status === "rejected") throw one.reason;
    checkReached(unreachable, "could not disconnect all clients of the user");
    return closed.filter((one) => one.status === "fulfilled" && one.value).length;
  }

  async #request(frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const { verbs } = this.#deps;
    const left = this.#leftOf(options);
    const { ids, unreachable } = await verbs.members(this.#topic, options);
    if (ids.length === 0) checkReached(unreachable, "could not find the clients of the user");
    if (ids.length === 0) throw new MeshError("not_found", "the user has no client");
    const others = new AbortController();
    const { signal, ...rest } = left();
    const given = { ...rest, signal: signal ? AbortSignal.any([signal, others.signal]) : others.signal };
    try {
      return await Promise.any(ids.map((id) => verbs.request(id, frame, given)));
    } catch (error) {
      signal?.throwIfAborted();
      throw mostTelling((error as AggregateError).errors);
    } finally {
      others.abort();
    }
  }

  /** The options of the calls that follow a first one: the time that is left. */
  #leftOf({ signal, timeoutMs }: SendOptions): () => SendOptions {
    const deadlineMs = deadlineOf({ timeoutMs }, this.#deps.limits.timeoutMs);
    return () => ({ signal, timeoutMs: Math.max(1, deadlineMs - performance.now()) });
  }
}

/** Dependencies of {@link User}. */
export interface UserDependencies {
  readonly limits: Readonly<Limits>;
  /** They take the topics of users, which the application cannot name. */
  readonly verbs: Verbs;
  readonly calls: Calls;
}

function checkReached(unreachable: readonly string[], what: string): void {
  if (unreachable.length === 0) return;
  throw new MeshError("unavailable", `${what}: ${unreachable.join(", ")} did not answer; try again`);
}

/** Of several errors, one of a client that could have replied. */
function mostTelling(errors: readonly unknown[]): unknown {
  return errors.find((error) => !["failed_precondition", "not_found"].includes(errorCode(error) ?? "")) ?? errors[0];
}
