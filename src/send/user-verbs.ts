import { userTopic } from "../base/check/topic.ts";
import { deadlineOf } from "./deadline.ts";
import { errorCode, MeshError } from "../base/error.ts";
import type { Frame } from "./frame.ts";
import type { Delivery, Except, Members, MembersOptions, SendOptions, Verbs } from "./verbs.ts";

/** The verbs for the clients of a user, with checked arguments, as {@link User} calls them. */
export interface UserVerbs {
  emit(user: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery>;
  online(user: string, options: SendOptions): Promise<boolean>;
  clients(user: string, options: MembersOptions): Promise<Members>;
  request(user: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array>;
  subscribe(user: string, topic: string, options: SendOptions): Promise<number>;
  unsubscribe(user: string, topic: string, options: SendOptions): Promise<number>;
  disconnect(user: string, code: number, reason: string, options: SendOptions): Promise<number>;
}

/** The verbs for a user by those for ids and topics: all clients of a user listen on a topic that the library keeps for itself. */
export class TopicUserVerbs implements UserVerbs {
  readonly #verbs: Verbs;
  readonly #timeoutMs: number;

  /** `verbs` take the topics of users, which the application cannot name. */
  constructor(verbs: Verbs, timeoutMs: number) {
    this.#verbs = verbs;
    this.#timeoutMs = timeoutMs;
  }

  emit(user: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery> {
    return this.#verbs.publish(userTopic(user), frame, except, options);
  }

  async online(user: string, options: SendOptions): Promise<boolean> {
    const { count, unreachable } = await this.#verbs.count(userTopic(user), options);
    if (count === 0) checkReached(unreachable, "could not tell whether the user is online");
    return count > 0;
  }

  clients(user: string, options: MembersOptions): Promise<Members> {
    return this.#verbs.members(userTopic(user), options);
  }

  subscribe(user: string, topic: string, options: SendOptions): Promise<number> {
    const subscribe = (id: string, left: SendOptions): Promise<boolean> => this.#verbs.subscribe(id, topic, left);
    return this.#forEach(user, options, "could not subscribe all clients of the user", subscribe);
  }

  unsubscribe(user: string, topic: string, options: SendOptions): Promise<number> {
    const unsubscribe = (id: string, left: SendOptions): Promise<boolean> => this.#verbs.unsubscribe(id, topic, left);
    return this.#forEach(user, options, "could not unsubscribe all clients of the user", unsubscribe);
  }

  disconnect(user: string, code: number, reason: string, options: SendOptions): Promise<number> {
    const close = (id: string, left: SendOptions): Promise<boolean> => this.#verbs.disconnect(id, code, reason, left);
    return this.#forEach(user, options, "could not disconnect all clients of the user", close);
  }

  /** Calls a verb for each client; resolves with for how many it returned true, once it settled for all. */
  async #forEach(
    user: string,
    options: SendOptions,
    failed: string,
    verb: (id: string, left: SendOptions) => Promise<boolean>,
  ): Promise<number> {
    const left = this.#leftOf(options);
    const { ids, unreachable } = await this.#verbs.members(userTopic(user), options);
    const done = await Promise.allSettled(ids.map((id) => verb(id, left())));
    for (const one of done) if (one.status === "rejected") throw one.reason;
    checkReached(unreachable, failed);
    return done.filter((one) => one.status === "fulfilled" && one.value).length;
  }

  async request(user: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array> {
    const left = this.#leftOf(options);
    const { ids, unreachable } = await this.#verbs.members(userTopic(user), options);
    if (ids.length === 0) checkReached(unreachable, "could not find the clients of the user");
    if (ids.length === 0) throw new MeshError("not_found", "the user has no client");
    const others = new AbortController();
    const { signal, ...rest } = left();
    const given = { ...rest, signal: signal ? AbortSignal.any([signal, others.signal]) : others.signal };
    try {
      return await Promise.any(ids.map((id) => this.#verbs.request(id, frame, given)));
    } catch (error) {
      signal?.throwIfAborted();
      throw mostTelling((error as AggregateError).errors);
    } finally {
      others.abort();
    }
  }

  /** The options of the calls that follow a first one: the time that is left. */
  #leftOf({ signal, timeoutMs }: SendOptions): () => SendOptions {
    const deadlineMs = deadlineOf({ timeoutMs }, this.#timeoutMs);
    return () => ({ signal, timeoutMs: Math.max(1, deadlineMs - performance.now()) });
  }
}

function checkReached(unreachable: readonly string[], what: string): void {
  if (unreachable.length === 0) return;
  throw new MeshError("unavailable", `${what}: ${unreachable.join(", ")} did not answer; try again`);
}

/** Of several errors, one of a client that could have replied. */
function mostTelling(errors: readonly unknown[]): unknown {
  return errors.find((error) => !["failed_precondition", "not_found"].includes(errorCode(error) ?? "")) ?? errors[0];
}
