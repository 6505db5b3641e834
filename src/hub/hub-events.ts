import { about } from "../base/log/about.ts";
import { checkFunction } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import type { LostReason } from "../client/resume/resume.ts";
import type { Logger } from "../base/log/logger.ts";
import type { Client } from "../client/client.ts";
import type { RefusedEvent } from "../door/refusal.ts";
import { unknownEvent } from "../base/check/unknown-option.ts";
import type { Holder } from "../storage/storage.ts";

/** The events of a hub, for monitoring, each with what its listeners get. */
export interface HubEvents {
  /** The hub serves; on a DistHub: it is part of the cluster. */
  ready: { readonly status: "ready" };
  /** The storage cannot be reached, or another node has this node's address. New clients are refused. */
  degraded: { readonly error: unknown };
  /** A client is connected: its `onConnect` is called next. */
  connect: { readonly client: Client };
  /** The connection of a client ended: its `onDisconnect` is called next. */
  disconnect: { readonly client: Client; readonly code: number; readonly reason: string };
  /** A connection made no client: why, and where it came from. */
  refused: RefusedEvent;
  /** Another node joined the cluster. */
  nodejoin: { readonly node: Holder };
  /** Another node left the cluster, or died. */
  nodeleave: { readonly node: Holder };
  /** A client's connection dropped, and it may come back. */
  away: { readonly client: Client };
  /** A client came back: nothing is missing. */
  resumed: { readonly client: Client };
  /**
   * An away client was given up, with the messages that it did not acknowledge; `onDisconnect` follows. One that a node took over
   * from another that left has no session here: no `onDisconnect`, and `data` is undefined.
   */
  lost: {
    readonly client: Client;
    readonly reason: LostReason;
    readonly undelivered: readonly (string | Uint8Array)[];
  };
  /**
   * The listeners of this node on a topic with history go on after this place, and may have missed messages before it: its store lost
   * them, dropped them, or could not be reached.
   */
  gap: { readonly topic: string; readonly epoch: string; readonly offset: number };
  /** A send rejected; reported whether or not the application looked. */
  sendfailed: { readonly error: unknown };
  /** `close()` began: the hub is not ready any more, and serves for `announceMs` before it drains. */
  draining: { readonly status: "draining" };
  /** The last client is gone after `close()`. */
  drained: { readonly status: "draining" };
  /** The hub is closed and holds nothing any more. */
  close: { readonly status: "closed" };
}

const TYPES: Readonly<Record<keyof HubEvents, true>> = {
  ready: true,
  degraded: true,
  connect: true,
  disconnect: true,
  refused: true,
  nodejoin: true,
  nodeleave: true,
  away: true,
  resumed: true,
  lost: true,
  gap: true,
  sendfailed: true,
  draining: true,
  drained: true,
  close: true,
};

type Listener<Type extends keyof HubEvents> = (event: HubEvents[Type]) => void;

/** Listeners by event. A listener that throws is logged, and the others are called all the same. */
export class HubEventTarget {
  readonly #logger: Logger;
  readonly #listeners = new Map<keyof HubEvents, Set<Listener<never>>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Calls `listener` at each event of the type, until the returned function is called. Throws a TypeError (`invalid_argument`) for an unknown type. */
  on<Type extends keyof HubEvents>(type: Type, listener: Listener<Type>): () => void {
    if (!Object.hasOwn(TYPES, type)) throw invalidArgument(unknownEvent(type, Object.keys(TYPES)));
    checkFunction("listener", listener);
    let listeners = this.#listeners.get(type);
    if (!listeners) this.#listeners.set(type, listeners = new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  dispatch<Type extends keyof HubEvents>(type: Type, event: HubEvents[Type]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        (listener as Listener<Type>)(event);
      } catch (error) {
        this.#logger.error(`meshsocket: a listener of "${type}" failed`, error, about("listener_failed"));
      }
    }
  }
}
