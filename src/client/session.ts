import { checkExpiry } from "./token/check-expiry.ts";
import type { Client } from "./client.ts";
import type { Json } from "../base/json.ts";
import type { Message } from "../send/frame.ts";
import type { TextPing } from "./text-ping.ts";
import { anything, checkFunction, checkOptions, type OptionTable } from "../base/check/check.ts";

/**
 * The handlers and the id that an application gives a client at its upgrade.
 *
 * Of one client the handlers run one at a time: `onConnect`, then `onEvent` for each message in arrival order, then
 * `onDisconnect`. A handler that returns a promise holds the next one back until it settles. A handler that throws or
 * rejects closes its own client with 1011, and nobody else's, unless the hub's `handlerError` or `onError` lets it stay; an
 * error of sending is only reported to `onError`.
 *
 * ```ts
 * import type { Session } from "meshsocket";
 *
 * const session: Session = {
 *   id: "alice",
 *   onConnect: (client) => client.subscribe("room:1"),
 *   onEvent: (client, message) => client.publish("room:1", message),
 *   onDisconnect: (client, code, reason) => console.log(client.id, code, reason),
 * };
 * ```
 */
export type Session<Data = unknown> = SessionFields<Data> & SessionData<Data>;

/**
 * The fields that a session must have because of the type of its state: `data`, unless that may be `undefined`. A session
 * with `authenticate` needs none: its client gets the session that `authenticate` returns.
 */
export type SessionData<Data> = undefined extends Data ? unknown
  : { data: Data } | Required<Pick<SessionFields<Data>, "authenticate">>;

/** The fields of a {@link Session}. */
export interface SessionFields<Data = unknown> {
  /** The client's id, unique in the cluster. Omitted: a random one of 128 bits, which a client that comes back has again. */
  id?: string | undefined;
  /**
   * The user whose client it is: a name that several clients share, such as the tabs and devices of one person. Each of them
   * has an id of its own, and `hub.user(name)` reaches them all. At most `limits.maxIdBytes` long. A client that resumes with
   * another user is not the same client.
   */
  user?: string | undefined;
  /**
   * The application's own state, found again as `client.data`. Of a `Hub<User>` each session must have it, of a plain `Hub`
   * or a `Hub<User | undefined>` it may be left out; `client.data` is `undefined` then.
   */
  data?: Data;
  /**
   * How long the session holds, in milliseconds since 1970: `1000 * exp` of a JWT. Then the client is closed with 4401, and one
   * that is away cannot resume any more. {@link Session.onToken} may put it off. Omitted: it holds as long as the client lasts.
   * A time that is past refuses the client with 4401.
   */
  expiresAt?: number | undefined;
  /** A small JSON value about the client, for everyone who asks for the members of a topic. `client.setInfo` changes it. */
  info?: Json | undefined;
  /** The subprotocol to speak, one of those that the client offered. Omitted: `meshsocket.v1` if it was offered, else none. */
  protocol?: string | undefined;
  /**
   * Two short texts for the heartbeat where the engine cannot ping (a WebSocket of an edge runtime): the client is sent `ping`
   * when it was quiet, and answers `pong`, which `onEvent` does not see. Omitted: a client that speaks `meshsocket.v1` is
   * asked by that, and any other is not tested there. Other engines ping without it.
   */
  textPing?: TextPing | undefined;
  /** More headers for the 101 response, where the runtime can send them. */
  headers?: ConstructorParameters<typeof Headers>[0] | undefined;
  /**
   * Lets the first message decide who the client is, for tokens that fit into no header. Returns the session to go on with;
   * `undefined` closes with 4401, a {@link Refusal} with its code, and a Response with that of its status: 4401, 1013
   * for 429, 502, 503 and 504, or 1011 for 500.
   * Until then the connection has no id and is sent nothing; after `authTimeoutMs` it is closed with 3008. Of the session
   * that has this, only `protocol` and `headers` are used.
   */
  authenticate?(
    message: string | Uint8Array,
    info: UpgradeInfo,
  ): Session<Data> | Response | Refusal | undefined | Promise<Session<Data> | Response | Refusal | undefined>;
  /** The client is connected and reachable. */
  onConnect?(client: Client<Data>): unknown;
  /** A message arrived: a string if it was sent as text, bytes if as binary. */
  onEvent?(client: Client<Data>, message: string | Uint8Array): unknown;
  /**
   * The client is gone, with the code and reason that a browser's CloseEvent would show.
   *
   * For a client that was away and did not come back, `undelivered` has the messages that it never acknowledged, within
   * `resume.maxBytes`: store them, or send a push notification.
   */
  onDisconnect?(
    client: Client<Data>,
    code: number,
    reason: string,
    undelivered: readonly (string | Uint8Array)[],
  ): unknown;
  /** The connection dropped, and the client may come back within `resume.windowMs`. Messages to it are held. */
  onAway?(client: Client<Data>): unknown;
  /** The client came back, and nothing is missing. `session` ran again: this is the handler of the new session. */
  onResume?(client: Client<Data>): unknown;
  /**
   * A client that speaks `meshsocket.v1` calls: returns the reply, a string or bytes. A MeshError reaches the client with its
   * code and message, any other error as `internal`. Calls begin in order with the messages, and run at the same time.
   */
  onRequest?(client: Client<Data>, message: string | Uint8Array): Message | undefined | Promise<Message | undefined>;
  /**
   * A client that speaks `meshsocket.v1` sent a new token over its open connection, as `meshsocket/client` does before
   * {@link Session.expiresAt}. Returns how long the session holds now; `undefined`, or a time that is past, refuses the token
   * and changes nothing. Check that the token is of the same person as before. Errors reach the client as those of
   * {@link Session.onRequest} do.
   *
   * ```ts
   * import { type Session, verifyBearer } from "meshsocket";
   *
   * const onToken: Session["onToken"] = async (client, token) => {
   *   const claims = await verifyBearer(token, { key: secret });
   *   if (claims instanceof Response || claims.sub !== client.user) return undefined;
   *   return 1000 * (claims.exp ?? 0);
   * };
   * ```
   */
  onToken?(client: Client<Data>, token: string): number | undefined | Promise<number | undefined>;
  /**
   * A client that speaks `meshsocket.v1` asks to listen on a topic: returns true to let it, false to refuse. Omitted: refused.
   *
   * The client gets the messages of its own subscriptions with their topic. A MeshError reaches it with its code and message,
   * any other error as `internal`. Names of the library, and more than `limits.maxTopicsPerClient`, are refused without asking.
   */
  onSubscribe?(client: Client<Data>, topic: string): boolean | Promise<boolean>;
  /**
   * A client that speaks `meshsocket.v1` asks to publish to a topic: returns true to let it, false to refuse. Omitted: refused.
   *
   * The message then goes to all listeners, with this client if it is one. Calls of one client are decided in order, one at a time.
   */
  onPublish?(client: Client<Data>, topic: string, message: string | Uint8Array): boolean | Promise<boolean>;
  /**
   * The connection, a handler or a send failed. Returns `"close"` or `"report"` to decide, for this error, what the hub's
   * `handlerError` decides for all; a promise decides nothing.
   */
  onError?(client: Client<Data>, error: Error): unknown;
  /** Never set. It keeps a Response from being taken for a session by the compiler. */
  ok?: never;
}

const FIELDS: OptionTable<Omit<Session, "ok">> = {
  id: anything,
  user: anything,
  data: anything,
  expiresAt: checkExpiry,
  info: anything,
  protocol: anything,
  textPing: anything,
  headers: anything,
  authenticate: checkFunction,
  onConnect: checkFunction,
  onEvent: checkFunction,
  onDisconnect: checkFunction,
  onAway: checkFunction,
  onResume: checkFunction,
  onRequest: checkFunction,
  onToken: checkFunction,
  onSubscribe: checkFunction,
  onPublish: checkFunction,
  onError: checkFunction,
};

/** Throws a TypeError (`invalid_argument`) unless the value is a session: a plain object of known fields. */
export function checkSession(what: string, value: unknown): asserts value is Session {
  checkOptions<Omit<Session, "ok">>(what, value, FIELDS);
}

/**
 * Refuses a client after the 101 by closing its connection with a code, so that a page learns why.
 *
 * A browser shows a page neither the status nor the text of a refused upgrade, only the close code 1006, after which it
 * tries again. Use this for pages; use a Response for other clients, and where no connection must be opened.
 */
export interface Refusal {
  /** The close code: 4400 to 4499 if coming back does not help, 1013 if it does; any that can be sent. */
  refuse: number;
  /** The text of the close frame: at most 123 bytes. Default "". */
  reason?: string | undefined;
}

/** Facts about an upgrade besides its request. */
export interface UpgradeInfo {
  /** The client's IP address: the socket's, or with `trustProxy` the one that the proxies name; "" if nobody does. */
  readonly remoteAddress: string;
  /** Aborted when the client gave up, the upgrade took too long or the node closes. Never after `session` has settled. */
  readonly signal: AbortSignal;
}

/**
 * Decides, before the 101, whether a request becomes a client, and with which handlers.
 *
 * Returns a session, which is a plain object; a Response, which refuses the upgrade and is sent as it is; or a
 * {@link Refusal}, which closes the connection with a code. A session that throws, or returns anything else, refuses with 500.
 *
 * ```ts
 * import type { SessionFactory } from "meshsocket";
 *
 * const session: SessionFactory = async (request) => {
 *   const user = await userOf(request);
 *   if (!user) return { refuse: 4401, reason: "sign in again" };
 *   return { id: user.name, onEvent: (client, message) => client.emit(message) };
 * };
 * ```
 */
export type SessionFactory<Data = unknown> = (
  request: Request,
  info: UpgradeInfo,
) => Session<Data> | Response | Refusal | Promise<Session<Data> | Response | Refusal>;
