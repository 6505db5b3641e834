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
  /**
   * Remembers where subscriptions to topics with history are, so that they go on there after the page was loaded again: `sessionStorage`,
   * or the like. Default: they are remembered as long as the page lasts.
   */
  positions?: PositionStore;
  /** The class of the connections. Default: the platform's WebSocket. */
  WebSocket?: WebSocketClass;
}

/** Where to connect to; a function is called before each attempt. */
export type Address = string | URL | (() => string | URL | Promise<string | URL>);

/** Returns a token that is good now. */
export type TokenSource = () => string | Promise<string>;

/** A store of texts, such as `sessionStorage`. */
export interface PositionStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** A class like the platform's WebSocket. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocket;

/** {@link ConnectOptions} with all numbers. */
export type Settings = ConnectOptions & Required<Pick<ConnectOptions, Numbers>>;

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

/** An example of each option, for its type; undefined if another check looks at it. */
const EXAMPLES: { readonly [Name in keyof Required<ConnectOptions>]: unknown } = {
  protocols: undefined,
  token: Date,
  plain: true,
  reconnect: true,
  signal: {},
  positions: {},
  WebSocket: Date,
  ...DEFAULTS,
};

/** The settings of a connection. Throws a TypeError (`invalid_argument`) for options that do not exist or are of a wrong type. */
export function settingsOf(options: ConnectOptions): Settings {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalidArgument(`options are an object such as { protocols: "chat" }, not ${JSON.stringify(options)}`);
  }
  const settings: Settings & Record<string, unknown> = { ...DEFAULTS };
  for (const [name, value] of Object.entries(options)) {
    if (!(name in EXAMPLES)) {
      throw invalidArgument(`unknown option "${name}": there are ${Object.keys(EXAMPLES).join(", ")}`);
    }
    if (value === undefined) continue;
    const example = EXAMPLES[name as keyof ConnectOptions];
    if (example !== undefined && typeof value !== typeof example) {
      throw invalidArgument(`${name} must be a ${typeof example}, not a ${typeof value}`);
    }
    settings[name] = value;
  }
  return settings;
}

/** The subprotocols as a list. Throws a TypeError (`invalid_argument`) for anything but strings. */
export function listOf(protocols: string | readonly string[]): readonly string[] {
  const list = [protocols].flat();
  if (list.every((name) => typeof name === "string")) return list;
  throw invalidArgument("protocols must be strings; options come after them");
}

/** No timer waits longer than this. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** How long to wait before an attempt: random, so that clients do not come back all at once. */
export function delayBefore(attempt: number, { minDelayMs, maxDelayMs }: Settings): number {
  return Math.random() * Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt, 20));
}
