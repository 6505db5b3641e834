import type { Frame } from "./frame.ts";
import type { Json } from "../base/json.ts";
import type { Position } from "./position.ts";

/** The outcome of a send to many. A message to a topic with history has its place there. */
export interface Delivery extends Partial<Position> {
  /** Clients whose socket took the message. */
  readonly delivered: number;
  /** Clients that are away, for whom the message waits; on a topic with history also those whose node lacks an earlier message. */
  readonly held: number;
  /** Clients whose buffer was full; they are being closed as too slow. */
  readonly dropped: number;
  /** Hosts whose answer is missing: their clients may or may not have the message. Empty on one node. */
  readonly unreachable: readonly string[];
}

/** The clients that listen on a topic. */
export interface Members {
  /** The ids, each once. */
  readonly ids: readonly string[];
  /** Hosts whose answer is missing. Empty on one node. */
  readonly unreachable: readonly string[];
  /** By id, what the sessions gave as `info`; only when it was asked for. */
  readonly infos?: ReadonlyMap<string, Json>;
}

/** How many listen on a topic. */
export interface Count {
  readonly count: number;
  /** Hosts whose answer is missing. Empty on one node. */
  readonly unreachable: readonly string[];
}

/** How long a call may take. */
export interface SendOptions {
  /** Gives the call up: it rejects with the signal's reason. What was sent stays sent. */
  signal?: AbortSignal | undefined;
  /** Milliseconds until it rejects with `deadline_exceeded`. Default 2,000. */
  timeoutMs?: number | undefined;
}

/** {@link SendOptions} for a message to one client. */
export interface EmitOptions extends SendOptions {
  /**
   * Waits until the client, which must speak `meshsocket.v1`, has acknowledged the message: it was handed to the application
   * there. Default false.
   */
  confirm?: boolean | undefined;
}

/** {@link SendOptions} for the members of a topic. */
export interface MembersOptions extends SendOptions {
  /** Also answer what the sessions gave as `info`. Default false. */
  info?: boolean | undefined;
}

/** {@link SendOptions} for a send to many. */
export interface SendToManyOptions extends SendOptions {
  /** Ids that get nothing, on whatever node they are. */
  except?: Iterable<string> | undefined;
}

/** {@link SendToManyOptions} for a message to a topic. */
export interface SendToTopicOptions extends SendToManyOptions {
  /**
   * A message whose key was published to the topic a short time ago (at most 1,024 keys, for 5 minutes after the last one) is not published again: the
   * call resolves with the place of the earlier one. The topic must keep history. 1 to 128 characters.
   */
  key?: string | undefined;
}

/** Where a client begins: after a position; or with the newest so many messages; or with those of the last milliseconds. */
export type From = Position | { readonly last: number } | { readonly ms: number };

/** {@link SendOptions} for a client that begins to listen. */
export interface ListenOptions extends SendOptions {
  /** The earlier messages that it gets first, of a topic with history. */
  from?: From | undefined;
}

/** How a client that began from an earlier place was caught up. */
export interface Recovery {
  /** Whether it got everything after the position. If not, it got none of it: read the newest, or load the state again. */
  readonly recovered: boolean;
  /** The client has everything up to here, and gets everything after it. */
  readonly position: Position;
  /** How many earlier messages it got. */
  readonly messages: number;
}

/** {@link SendOptions} for reading the history of a topic. */
export interface HistoryReadOptions extends SendOptions {
  /** The place where it begins. Default: with the oldest message that is kept. */
  from?: From | undefined;
  /** Not after this offset. */
  to?: number | undefined;
  /** At most so many messages, 1 to 1,000. Default 1,000. */
  limit?: number | undefined;
  /** Newest first. Default false. */
  reverse?: boolean | undefined;
}

/** One page of the history of a topic. */
export interface HistoryPage {
  /** The end of the topic when it was read: a reader that has read all goes on from here. */
  readonly end: Position;
  readonly messages: readonly KeptMessage[];
  /** Whether messages are left out because of the limit, or because a page has at most 1,048,576 bytes: read again from the last one. */
  readonly more: boolean;
  /**
   * Whether nothing between `from` and the messages is missing. False for a position of another epoch, for a position whose next message
   * is no longer kept, and for a position after the end. Always true if `from` is not a position.
   */
  readonly recovered: boolean;
}

/** One message that was kept. */
export interface KeptMessage {
  readonly offset: number;
  /** When it was published, in milliseconds since 1970 by the clock of the history. */
  readonly atMs: number;
  readonly data: string | Uint8Array;
  /** The key that it was published with. */
  readonly key: string | undefined;
}

/** The verbs with checked arguments, as {@link Sender} calls them; one implementation for each reach. */
export interface Verbs {
  emit(id: string, frame: Frame, options: EmitOptions): Promise<boolean>;
  online(id: string, options: SendOptions): Promise<boolean>;
  broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery>;
  publish(topic: string, frame: Frame, except: Except, options: SendToTopicOptions): Promise<Delivery>;
  members(topic: string, options: MembersOptions): Promise<Members>;
  count(topic: string, options: SendOptions): Promise<Count>;
  request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array>;
  subscribe(id: string, topic: string, options: SendOptions): Promise<boolean>;
  unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean>;
  disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean>;
  history(topic: string, options: HistoryReadOptions): Promise<HistoryPage>;
  position(topic: string, options: SendOptions): Promise<Position>;
}

/** Ids to leave out; undefined for none. */
export type Except = ReadonlySet<string> | undefined;
