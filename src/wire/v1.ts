/**
 * The subprotocol `meshsocket.v1` as text and bytes: which messages are control lines, and how they are written and read.
 *
 * Shared by the server and by `meshsocket/client`; docs/protocol.md describes it byte by byte.
 */
export const V1_PROTOCOL = "meshsocket.v1";

/** The subprotocol that a client offers in addition to come back: `meshsocket.resume.<received>.<token>`. */
export const RESUME_PROTOCOL_PREFIX = "meshsocket.resume.";

/** A message of either kind. */
export type Payload = string | Uint8Array;

/** The first frame of the server on each connection. */
export interface Greeting {
  readonly id: string;
  /** Whether this connection goes on with an earlier one. */
  readonly resumed: boolean;
  /** Why the client could not resume, if it asked to. */
  readonly lost?: string | undefined;
  /** How many of the client's messages the server has: they are not sent again. */
  readonly received: number;
  /** How many of them it has handled: these are acknowledged. */
  readonly handled: number;
  /** Lets the client resume, once; "" if the server does not resume. */
  readonly token: string;
  /** Milliseconds that the server waits for the client to come back. */
  readonly windowMs: number;
  /** Bytes of unacknowledged messages that the server keeps. */
  readonly maxBytes: number;
  /** Milliseconds of the server's clock since 1970. */
  readonly time: number;
  /** When the server will close the client with 4401, by the same clock, unless it gets a new token; undefined: never. */
  readonly expiresAt?: number | undefined;
}

/** A control line. */
export type Control =
  | { readonly type: "hello"; readonly hello: Greeting }
  | { readonly type: "ack"; readonly count: number }
  | { readonly type: "sync" }
  | { readonly type: "ping"; readonly number: number }
  | { readonly type: "pong"; readonly number: number; readonly time: number }
  | { readonly type: "bye"; readonly retryAfterMs: number }
  | { readonly type: "request"; readonly number: number; readonly payload: Payload }
  | { readonly type: "token"; readonly number: number; readonly payload: Payload }
  | { readonly type: "reply"; readonly number: number; readonly payload: Payload }
  | { readonly type: "error"; readonly number: number; readonly code: string; readonly message: string };

const MARK = "~";
const MARK_BYTE = 0x7e;
const LINE_FEED = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Whether a message begins with the reserved character, so that it is a control line or must be escaped. */
export function isReserved(message: Payload): boolean {
  return typeof message === "string" ? message.startsWith(MARK) : message[0] === MARK_BYTE;
}

/** Whether a message that begins with the reserved character is an escaped message of the application. */
export function isEscaped(message: Payload): boolean {
  return typeof message === "string" ? message[1] === MARK : message[1] === MARK_BYTE;
}

/** The message with the reserved character before it. */
export function escape(message: Payload): Payload {
  return prefixed(MARK, message);
}

/** An escaped message as the application sent it. */
export function unescape<Message extends Payload>(message: Message): Message {
  return (typeof message === "string" ? message.slice(1) : message.subarray(1)) as Message;
}

/** Whether a control line is counted and kept like a message of the application. */
export function isCounted({ type }: Control): boolean {
  return type === "request" || type === "reply" || type === "error" || type === "token";
}

/** The first line of a request, with its line feed. */
export const requestLine = (number: number): string => `${MARK}request ${number}\n`;
/** The first line of a call with a new token, with its line feed. */
export const tokenLine = (number: number): string => `${MARK}token ${number}\n`;
/** The first line of a reply, with its line feed. */
export const replyLine = (number: number): string => `${MARK}reply ${number}\n`;
export const errorLine = (number: number, code: string, message: string): string =>
  `${MARK}error ${number} ${JSON.stringify({ code, message })}`;
export const ackLine = (count: number): string => `${MARK}ack ${count}`;
export const helloLine = (hello: Greeting): string => `${MARK}hello ${JSON.stringify(hello)}`;
export const byeLine = (retryAfterMs: number): string => `${MARK}bye ${JSON.stringify({ retryAfterMs })}`;
export const pingLine = (number: number): string => `${MARK}ping ${number}`;
export const pongLine = (number: number, time: number): string => `${MARK}pong ${number} ${time}`;
export const SYNC_LINE = "~sync";

/** A message with a first line before it, of the same kind as the message. */
export function prefixed(line: string, payload: Payload): Payload {
  if (typeof payload === "string") return line + payload;
  const head = encoder.encode(line);
  const whole = new Uint8Array(head.length + payload.length);
  whole.set(head);
  whole.set(payload, head.length);
  return whole;
}

/** Reads a control line; undefined if it is not one of those above. Never throws. */
export function decodeControl(message: Payload): Control | undefined {
  const { form, name, number, second, json, payload } = partsOf(message);
  switch (form) {
    case "ack#":
      return { type: "ack", count: number };
    case "sync":
      return { type: form };
    case "ping#":
      return { type: "ping", number };
    case "pong##":
      return { type: "pong", number, time: second };
    case "request#+":
    case "reply#+":
    case "token#+":
      return { type: name as "request", number, payload };
    case "error#{":
      return isText(json["code"]) && isText(json["message"])
        ? { type: "error", number, code: json["code"], message: json["message"] }
        : undefined;
    case "hello{":
      return isText(json["id"]) ? { type: "hello", hello: json as unknown as Greeting } : undefined;
    case "bye{":
      return typeof json["retryAfterMs"] === "number" ? { type: "bye", retryAfterMs: json["retryAfterMs"] } : undefined;
    default:
      return undefined;
  }
}

/** A control line in its parts. Those that it does not have are 0, empty or "". */
export interface Parts {
  /** Its name, and a sign for each part that follows: `#` a number, `{` a JSON object, `+` a payload. "" if it is not a line. */
  readonly form: string;
  readonly name: string;
  readonly number: number;
  readonly second: number;
  readonly json: Readonly<Record<string, unknown>>;
  readonly payload: Payload;
}

const LINE = /^~([a-z]+)( (?:0|[1-9]\d{0,14}))?( (?:0|[1-9]\d{0,14}))?( \{.*)?$/s;

/** Takes a control line apart; bytes are one only up to a line feed. Never throws. */
export function partsOf(message: Payload): Parts {
  const text = typeof message === "string";
  const end = text ? message.indexOf("\n") : message.indexOf(LINE_FEED);
  const head = end < 0 ? message : message.slice(0, end);
  const line = typeof head === "string" ? head : end < 0 ? "" : decoder.decode(head);
  const [, name = "", number, second, object] = LINE.exec(line) ?? [];
  const json = object && parse(object);
  const signs = (number ? "#" : "") + (second ? "#" : "") + (json ? "{" : object ? "?" : "") + (end < 0 ? "" : "+");
  return {
    form: name && name + signs,
    name,
    number: Number(number ?? 0),
    second: Number(second ?? 0),
    json: json || {},
    payload: end < 0 ? "" : text ? message.slice(end + 1) : message.subarray(end + 1),
  };
}

export function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** A JSON object; undefined for a text that is not JSON. */
export function parse(json: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Received messages are acknowledged at the latest after so many, or after so many bytes. */
export const ACK_MESSAGES = 512;
export const ACK_BYTES = 64_000;
