import type { MeshError } from "../src/base/error.ts";

/** The events of a {@link MeshWebSocket}: those of a WebSocket, and four of its own. */
export interface MeshWebSocketEvents {
  /** The first connection is open, or one after `lost`. */
  open: Event;
  message: MessageEvent;
  error: Event;
  close: CloseEvent;
  /** The connection dropped. What is sent now waits. */
  away: Event & { readonly code: number; readonly reason: string };
  /** The connection is back, and nothing is missing. */
  resumed: Event;
  /** The server does not know the client any more: messages may be missing in either direction. */
  lost: Event & {
    /** Why: a word of the protocol, `plain` if the server does not speak it, or `closed` if it was closed while away. */
    readonly why: string;
    /** Messages that the server did not acknowledge: it may or may not have them. They are not sent again. */
    readonly pending: readonly Pending[];
  };
  /** The server does not want the client: `close` follows. */
  refused: Event & { readonly code: number; readonly reason: string };
}

/** A message that was not acknowledged. */
export type Pending = string | Uint8Array<ArrayBuffer>;

/** An event with some properties. */
export function eventOf(type: string, properties: object = {}): Event {
  return Object.assign(new Event(type), properties);
}

/** Settles a promise of the client. */
export interface Waiting<Value> {
  resolve(value: Value): void;
  reject(error: MeshError): void;
}

/** A listener of one type of event. */
export type EventListenerFor<Type extends keyof MeshWebSocketEvents> = (event: MeshWebSocketEvents[Type]) => unknown;

/** An EventTarget whose listeners have the types of {@link MeshWebSocketEvents}. */
export interface MeshEventTarget {
  addEventListener<Type extends keyof MeshWebSocketEvents>(
    type: Type,
    listener: EventListenerFor<Type> | { handleEvent: EventListenerFor<Type> } | null,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  removeEventListener<Type extends keyof MeshWebSocketEvents>(
    type: Type,
    listener: EventListenerFor<Type> | { handleEvent: EventListenerFor<Type> } | null,
    options?: boolean | EventListenerOptions,
  ): void;
  dispatchEvent(event: Event): boolean;
}

export const MeshEventTarget: new () => MeshEventTarget = EventTarget;
