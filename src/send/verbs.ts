import type { Frame } from "./frame.ts";
import type { Json } from "../base/json.ts";

/** The outcome of a send to many. */
export interface Delivery {
  /** Clients whose socket took the message. */
  readonly delivered: number;
  /** Clients that are away: the message waits for them to come back. */
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

/** The verbs with checked arguments, as {@link Sender} calls them; one implementation for each reach. */
export interface Verbs {
  emit(id: string, frame: Frame, options: EmitOptions): Promise<boolean>;
  online(id: string, options: SendOptions): Promise<boolean>;
  broadcast(frame: Frame, except: Except, options: SendOptions): Promise<Delivery>;
  publish(topic: string, frame: Frame, except: Except, options: SendOptions): Promise<Delivery>;
  members(topic: string, options: MembersOptions): Promise<Members>;
  count(topic: string, options: SendOptions): Promise<Count>;
  request(id: string, frame: Frame, options: SendOptions): Promise<string | Uint8Array>;
  subscribe(id: string, topic: string, options: SendOptions): Promise<boolean>;
  unsubscribe(id: string, topic: string, options: SendOptions): Promise<boolean>;
  disconnect(id: string, code: number, reason: string, options: SendOptions): Promise<boolean>;
}

/** Ids to leave out; undefined for none. */
export type Except = ReadonlySet<string> | undefined;
