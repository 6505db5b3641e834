import { checkCallback, checkSignal, oneOf, type OptionTable } from "../base/check/check.ts";
import { fromJson, type Json } from "../base/json.ts";
import { PresenceByUser } from "./presence-by-user.ts";
import type { PresenceChange, PresentMember } from "./presence-view.ts";

/** Somebody started or stopped to listen on a watched topic, or has another `info` there. */
export interface PresenceEvent {
  readonly type: "join" | "leave" | "update";
  readonly id: string;
  /** The user whose client it is; missing for a client without one. */
  readonly user?: string;
  /** The `info` of the member: of its session, or of the last `client.setInfo`. */
  readonly info: Json | undefined;
}

/** How to watch. */
export interface WatchOptions {
  /**
   * Tells of each client (`"id"`, the default), or of each user (`"user"`), who joins with the first client, leaves with the
   * last, and is updated by each. `id` and `info` are those of that client; a client without a user is not told of.
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
 * The joins, updates and leaves of a topic, over all nodes: iterate it, or give an `onEvent`.
 *
 * First come the joins of those who are there already. For a reader that lags behind, several changes of one member become
 * the one that leads from what it has seen to what is so now, or none, so that what waits never outgrows the members.
 */
export class PresenceWatch implements AsyncIterableIterator<PresenceEvent>, Disposable {
  /** Settles when the present members of every node that could be reached are known; rejects when they cannot be found. */
  readonly ready: Promise<void>;
  readonly #onEvent: WatchOptions["onEvent"];
  readonly #stop: () => void;
  readonly #users: PresenceByUser | undefined;
  readonly #pending = new Map<string, Pending>();
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
    const waiting = this.#pending.get(name);
    const pending = merge(waiting ? waiting.seen : seenBefore(change), change);
    if (pending) this.#pending.set(name, pending);
    else this.#pending.delete(name);
    this.#wake();
  }

  /** The next event; done once the watch is closed. */
  async next(): Promise<IteratorResult<PresenceEvent, undefined>> {
    for (;;) {
      const [pending] = this.#pending.values();
      if (pending) {
        const { change } = pending;
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

/** A change that the reader has not taken yet. */
interface Pending {
  readonly change: PresenceChange;
  /** The member as the reader knows it; undefined if it knows of none. */
  readonly seen: PresentMember | undefined;
}

/** The member as it was before a change. */
function seenBefore(change: PresenceChange): PresentMember | undefined {
  const { type, infoBefore = change.info } = change;
  return type === "join" ? undefined : { ...change, info: infoBefore };
}

/** The change that a reader with `seen` is to hear now; undefined for none. */
function merge(seen: PresentMember | undefined, change: PresenceChange): Pending | undefined {
  if (change.type === "leave") return seen && { change, seen };
  if (!seen || seen.user !== change.user) return { change: { ...change, type: "join" }, seen };
  if (seen.id === change.id && seen.info === change.info) return undefined;
  return { change: { ...change, type: "update" }, seen };
}

function eventOf({ type, id, info, user }: PresenceChange): PresenceEvent {
  return { type, id, info: fromJson(info), ...(user !== undefined && { user }) };
}
