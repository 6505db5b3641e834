import { checkCallback, checkSignal, oneOf, type OptionTable } from "../base/check/check.ts";
import { fromJson, type Json } from "../base/json.ts";
import { PresenceByUser } from "./presence-by-user.ts";
import type { PresenceChange } from "./presence-view.ts";

/** Somebody started or stopped to listen on a watched topic. */
export interface PresenceEvent {
  readonly type: "join" | "leave";
  readonly id: string;
  /** The user whose client it is; missing for a client without one. */
  readonly user?: string;
  /** The `info` of the member's session. */
  readonly info: Json | undefined;
}

/** How to watch. */
export interface WatchOptions {
  /**
   * Tells of each client (`"id"`, the default), or of each user (`"user"`), who joins with the first client and leaves with
   * the last. Of a user `id` and `info` are those of that client; a client without a user is not told of.
   */
  by?: "id" | "user" | undefined;
  /** Ends the watch. */
  signal?: AbortSignal | undefined;
  /** Called with each event, instead of iterating. What it throws is logged. */
  onEvent?: ((event: PresenceEvent) => void) | undefined;
}

/** The options of a watch. */
export const WATCH_OPTIONS: OptionTable<WatchOptions> = {
  by: oneOf("id", "user"),
  signal: checkSignal,
  onEvent: checkCallback,
};

/**
 * The joins and leaves of a topic, over all nodes: iterate it, or give an `onEvent`.
 *
 * First come the joins of those who are there already. For a reader that lags behind, a join and a leave of one member
 * that it has not seen cancel each other out, so that what waits never outgrows the members.
 */
export class PresenceWatch implements AsyncIterableIterator<PresenceEvent>, Disposable {
  /** Settles when the present members of every node that could be reached are known; rejects when they cannot be found. */
  readonly ready: Promise<void>;
  readonly #onEvent: WatchOptions["onEvent"];
  readonly #stop: () => void;
  readonly #users: PresenceByUser | undefined;
  readonly #pending = new Map<string, PresenceChange>();
  #changed: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(ready: Promise<void>, { by, onEvent }: Pick<WatchOptions, "by" | "onEvent">, stop: () => void) {
    this.ready = ready;
    ready.catch(() => {});
    this.#onEvent = onEvent;
    this.#stop = stop;
    this.#users = by === "user" ? new PresenceByUser() : undefined;
  }

  /**
   * Takes a change in.
   *
   * @internal
   */
  push(seen: PresenceChange): void {
    if (this.#closed) return;
    const change = this.#users ? this.#users.of(seen) : seen;
    if (!change) return;
    if (this.#onEvent) {
      this.#onEvent(eventOf(change));
      return;
    }
    const name = this.#nameOf(change);
    const unseen = this.#pending.get(name);
    if (unseen && unseen.type !== change.type && unseen.user === change.user) this.#pending.delete(name);
    else this.#pending.set(name, change);
    this.#wake();
  }

  /** The next event; done once the watch is closed. */
  async next(): Promise<IteratorResult<PresenceEvent, undefined>> {
    for (;;) {
      const [change] = this.#pending.values();
      if (change) {
        this.#pending.delete(this.#nameOf(change));
        return { done: false, value: eventOf(change) };
      }
      if (this.#closed) return { done: true, value: undefined };
      await (this.#changed ??= Promise.withResolvers()).promise;
    }
  }

  /** The name of the one that joins or leaves. */
  #nameOf({ id, user = id }: PresenceChange): string {
    return this.#users ? user : id;
  }

  #wake(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }

  /** Ends the watch; what `break` out of a loop calls. */
  async return(): Promise<IteratorResult<PresenceEvent, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the watch: nothing more is heard. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pending.clear();
    this.#stop();
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function eventOf({ type, id, info, user }: PresenceChange): PresenceEvent {
  return { type, id, info: fromJson(info), ...(user !== undefined && { user }) };
}
