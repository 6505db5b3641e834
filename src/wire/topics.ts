/**
 * The lines of `meshsocket.v1` for topics: subscriptions that a client makes itself, and messages that it publishes.
 *
 * All of them are counted. Shared by the server and by `meshsocket/client`; docs/protocol.md describes them byte by byte.
 */
import { numberOf, parse, partsOf, type Payload } from "./v1.ts";

/** A line of a client that asks for something with a topic. Its number is that of a call. */
export type TopicCall = {
  readonly type: "subscribe";
  readonly number: number;
  readonly topic: string;
  /** The place in the topic's history to begin at, not looked at yet. */
  readonly from: unknown;
} | {
  readonly type: "unsubscribe";
  readonly number: number;
  readonly topic: string;
} | {
  readonly type: "publish";
  readonly number: number;
  readonly topic: string;
  readonly key: string | undefined;
  readonly payload: Payload;
};

/** A message of a topic to which the client subscribed itself. */
export interface TopicMessage extends Place {
  readonly topic: string;
  readonly payload: Payload;
}

/** A place in the history of a topic, if it has one. */
export interface Place {
  readonly epoch?: string | undefined;
  readonly offset?: number | undefined;
}

/** The reply to a subscribe, when the subscription holds. */
export interface Subscribed extends Place {
  /** Whether the client gets everything after the place that it named; undefined if it named none. */
  readonly recovered?: boolean | undefined;
}

/** The outcome of a publish. */
export interface Published extends Place {
  readonly delivered: number;
  readonly held: number;
  readonly dropped: number;
  readonly unreachable: readonly string[];
}

/** A line of the server. */
export type TopicNews =
  | { readonly type: "subscribed"; readonly number: number; readonly answer: Subscribed }
  | { readonly type: "published"; readonly number: number; readonly answer: Published }
  | { readonly type: "message"; readonly message: TopicMessage }
  | { readonly type: "unsubscribed"; readonly topic: string };

export const subscribeLine = (number: number, topic: string, from?: unknown): string =>
  `~subscribe ${number} ${JSON.stringify({ topic, from })}`;
export const subscribedLine = (number: number, answer: Subscribed): string =>
  `~subscribed ${number} ${JSON.stringify(answer)}`;
export const unsubscribeLine = (number: number, topic: string): string =>
  `~unsubscribe ${number} ${JSON.stringify({ topic })}`;
export const unsubscribedLine = (topic: string): string => `~unsubscribed ${JSON.stringify({ topic })}`;
/** The first line of a publish, with its line feed. */
export const publishLine = (number: number, topic: string, key?: string): string =>
  `~publish ${number} ${JSON.stringify({ topic, key })}\n`;
export const publishedLine = (number: number, answer: Published): string =>
  `~published ${number} ${JSON.stringify(answer)}`;
/** The first line of a topic's message, with its line feed. */
export const messageLine = (topic: string, place: Place = {}): string =>
  `~message ${JSON.stringify({ topic, epoch: place.epoch, offset: place.offset })}\n`;

/** Reads a line of a client; undefined if it is not one of these. Never throws. */
export function decodeTopicCall(message: Payload): TopicCall | undefined {
  const [type, argument = "", payload] = partsOf(message) ?? [];
  const [number, json] = numbered(argument);
  const { topic, from, key } = json ?? {};
  if (number === undefined || typeof topic !== "string") return undefined;
  if (type === "publish" && payload !== undefined && (key === undefined || typeof key === "string")) {
    return { type, number, topic, key, payload };
  }
  if (payload !== undefined) return undefined;
  if (type === "subscribe") return { type, number, topic, from };
  return type === "unsubscribe" ? { type, number, topic } : undefined;
}

/** Reads a line of the server; undefined if it is not one of these. Never throws. */
export function decodeTopicNews(message: Payload): TopicNews | undefined {
  const [type, argument = "", payload] = partsOf(message) ?? [];
  if (type === "message" || type === "unsubscribed") {
    const json = parse(argument) ?? {};
    const { topic } = json;
    if (typeof topic !== "string") return undefined;
    if (type === "unsubscribed") return payload === undefined ? { type, topic } : undefined;
    return payload === undefined ? undefined : { type, message: { ...json as Place, topic, payload } };
  }
  const [number, answer] = numbered(argument);
  if (number === undefined || answer === undefined || payload !== undefined) return undefined;
  if (type === "subscribed") return { type, number, answer };
  return type === "published" ? { type, number, answer: answer as unknown as Published } : undefined;
}

/** An argument of a number and a JSON object. */
function numbered(argument: string): [number?: number, json?: Record<string, unknown>] {
  const [, digits, json = ""] = /^(\d+) (.*)$/s.exec(argument) ?? [];
  return [numberOf(digits), parse(json)];
}
