import { invalidArgument } from "../src/base/error.ts";
/** How {@link MeshWebSocket} connects; every field has a default. */
export interface ConnectOptions {
  /** Subprotocols of the application, offered with `meshsocket.v1`. If the server chooses one of them, the connection is a plain WebSocket. */
  protocols?: string | readonly string[];
  /**
   * Whether the server does not speak `meshsocket.v1`, which is then not offered: browsers close a connection none of whose
   * offers was chosen. Default false.
   */
  plain?: boolean;
  /**
   * Called before each attempt: a token of letters, digits and `-._~`, offered as `meshsocket.bearer.<token>`. If the session has
   * an end, it is also called after half of that time, and the token goes over the open connection.
   */
  token?: TokenSource;
  /**
   * Whether to connect again, as a new client, when the server does not know the old one any more. Default true for
   * `connect`. False for `new MeshWebSocket`: it then closes, as a WebSocket does, so that a library notices.
   */
  reconnect?: boolean;
  /** Ends it when aborted, as `close()` does. */
  signal?: AbortSignal;
  /** Bytes that may wait to be sent or acknowledged. Over it `send` throws `resource_exhausted`. Default 4,194,304. */
  maxBytes?: number;
  /** Milliseconds before the second attempt, at most; doubled with each further one, and then random below that. Default 500. */
  minDelayMs?: number;
  /** The longest pause between two attempts. Default 10,000. */
  maxDelayMs?: number;
  /** Milliseconds that one attempt may take. Default 10,000. */
  connectTimeoutMs?: number;
  /** Milliseconds without a message after which the server is asked for a sign of life. Default 25,000. */
  pingMs?: number;
  /** Milliseconds that the server may take to give it. Over it the connection counts as lost. Default 10,000. */
  pongMs?: number;
  /** Milliseconds that the server may take to reply to a request, or to confirm. Default 10,000. */
  timeoutMs?: number;
  /** The class of the connections. Default: the platform's WebSocket. */
  WebSocket?: WebSocketClass;
}

/** Where to connect to; a function is called before each attempt. */
export type Address = string | URL | (() => string | URL | Promise<string | URL>);

/** Returns a token that is good now. */
export type TokenSource = () => string | Promise<string>;

/** A class like the platform's WebSocket. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocket;

/** {@link ConnectOptions} with all numbers. */
export type Settings = ConnectOptions & Required<Pick<ConnectOptions, Numbers>>;

/** The settings of a connection. Throws a TypeError (`invalid_argument`) for an unknown option. */
export function settingsOf(options: ConnectOptions): Settings {
  for (const name in options) {
    if (!(name in DEFAULTS || OTHERS.includes(name))) throw invalidArgument(`unknown option "${name}"`);
  }
  return { ...DEFAULTS, ...options };
}

const OTHERS: readonly string[] = ["plain", "protocols", "reconnect", "signal", "token", "WebSocket"];

/** The defaults. */
const DEFAULTS: { readonly [Name in Numbers]: number } = {
  maxBytes: 4_194_304,
  minDelayMs: 500,
  maxDelayMs: 10_000,
  connectTimeoutMs: 10_000,
  pingMs: 25_000,
  pongMs: 10_000,
  timeoutMs: 10_000,
};

type Numbers = "maxBytes" | "minDelayMs" | "maxDelayMs" | "connectTimeoutMs" | "pingMs" | "pongMs" | "timeoutMs";

/** How long to wait before an attempt: random, so that clients do not come back all at once. */
export function delayBefore(attempt: number, { minDelayMs, maxDelayMs }: Settings): number {
  return Math.random() * Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt, 20));
}
