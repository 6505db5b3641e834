import type { Client } from "./client.ts";
import type { Json } from "../base/json.ts";
import type { TextPing } from "./text-ping.ts";
import { anything, checkFunction, checkOptions, type OptionTable } from "../base/check.ts";

/**
 * The handlers and the id that an application gives a client at its upgrade.
 *
 * Of one client the handlers run one at a time: `onConnect`, then `onEvent` for each message in arrival order, then
 * `onDisconnect`. A handler that returns a promise holds the next one back until it settles. A handler that throws or
 * rejects closes its own client with 1011, and nobody else's; an error of sending is only reported to `onError`.
 */
export interface Session<Data = unknown> {
  /** The client's id, unique in the cluster. Omitted: a random one of 128 bits. */
  id?: string | undefined;
  /** The application's own state, found again as `client.data`. */
  data?: Data;
  /** What others may know of the client: a small JSON value, seen by whoever asks for the members of a topic. */
  info?: Json | undefined;
  /** The subprotocol to speak, one of those that the client offered. Omitted: none. */
  protocol?: string | undefined;
  /**
   * Two short texts for the heartbeat where the engine cannot ping (a WebSocket of an edge runtime): the client is sent `ping`
   * when it was quiet, and answers `pong`, which `onEvent` does not see. Omitted: a client that speaks the request
   * subprotocol is asked by that, and any other is not tested there. Other engines ping without it.
   */
  textPing?: TextPing | undefined;
  /** More headers for the 101 response, where the runtime can send them. */
  headers?: ConstructorParameters<typeof Headers>[0] | undefined;
  /**
   * Lets the first message decide who the client is, for tokens that fit into no header. Returns the session to go on with;
   * `undefined` closes with 4401, and a Response with the close code of its status: 4401, or 1013 for 429, 502, 503 and 504.
   * Until then the connection has no id and is sent nothing; after `authTimeoutMs` it is closed with 3008. Of the session
   * that has this, only `protocol` and `headers` are used.
   */
  authenticate?(
    message: string | Uint8Array,
    info: UpgradeInfo,
  ): Session<Data> | Response | undefined | Promise<Session<Data> | Response | undefined>;
  /** The client is connected and reachable. */
  onConnect?(client: Client<Data>): unknown;
  /** A message arrived: a string if it was sent as text, bytes if as binary. */
  onEvent?(client: Client<Data>, message: string | Uint8Array): unknown;
  /** The connection ended, with the code and reason that a browser's CloseEvent would show. */
  onDisconnect?(client: Client<Data>, code: number, reason: string): unknown;
  /** The connection, a handler or a send failed. */
  onError?(client: Client<Data>, error: Error): unknown;
  /** Never set. It keeps a Response from being taken for a session by the compiler. */
  ok?: never;
}

const FIELDS: OptionTable<Omit<Session, "ok">> = {
  id: anything,
  data: anything,
  info: anything,
  protocol: anything,
  textPing: anything,
  headers: anything,
  authenticate: checkFunction,
  onConnect: checkFunction,
  onEvent: checkFunction,
  onDisconnect: checkFunction,
  onError: checkFunction,
};

/** Throws a TypeError (`invalid_argument`) unless the value is a session: a plain object of known fields. */
export function checkSession(what: string, value: unknown): asserts value is Session {
  checkOptions<Omit<Session, "ok">>(what, value, FIELDS);
}

/** What is known of an upgrade beside its request. */
export interface UpgradeInfo {
  /** The client's IP address: the socket's, or with `trustProxy` what the proxies tell; "" where nobody tells. */
  readonly remoteAddress: string;
  /** Aborted when the client gave up or the upgrade took too long. */
  readonly signal: AbortSignal;
}

/**
 * Decides, before the 101, whether a request becomes a client, and with which handlers.
 * A Response refuses the upgrade and is sent as it is. One that throws refuses it with 500.
 */
export type SessionFactory<Data = unknown> = (
  request: Request,
  info: UpgradeInfo,
) => Session<Data> | Response | Promise<Session<Data> | Response>;
