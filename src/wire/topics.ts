/**
 * The lines of `meshsocket.v1` for topics: subscriptions that a client makes itself, and messages that it publishes.
 *
 * All of them are counted. Shared by the server and by `meshsocket/client`; docs/protocol.md describes them byte by byte.
 */
import { isText, partsOf, type Payload } from "./v1.ts";

/** A line of a client that asks for something with a topic. Its number is that of a call. */
export type TopicCall = {
  readonly type: "subscribe";
  readonly number: number;
  readonly topic: string;
  /** The place in the topic's history to begin at, not looked at yet. */
  readonly from: unknown;
  /** The topic is that of a stream. */
  readonly stream: boolean;
  /** The client can read deltas in the format of Fossil. */
  readonly delta: boolean;
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

/** A place in the history of a topic, if it has one. */
export interface Place {
  readonly epoch?: string | undefined;
  readonly offset?: number | undefined;
}

/** The fields of a subscribe, as they are sent. */
export interface SubscribeFields {
  readonly topic: string;
  readonly from?: unknown;
  readonly stream?: true | undefined;
  /** The format of deltas that the client reads. */
  readonly delta?: typeof DELTA_FORMAT | { toJSON(): typeof DELTA_FORMAT } | undefined;
}

/** The reply to a subscribe, when the subscription holds. */
export interface Subscribed extends Place {
  /** Whether the client gets everything after the place that it named; undefined if it named none. */
  readonly recovered?: boolean | undefined;
  /** Of messages that it does not read in time the client may get only the newest: offsets then jump. */
  readonly latest?: boolean | undefined;
  /** Messages may come as deltas in this format. */
  readonly delta?: typeof DELTA_FORMAT | undefined;
}

/** The format of deltas, as both sides name it. */
export const DELTA_FORMAT = "fossil";

/** The outcome of a publish. */
export interface Published extends Place {
  readonly delivered: number;
  readonly held: number;
  readonly dropped: number;
  readonly unreachable: readonly string[];
}

export const subscribeLine = (number: number, fields: SubscribeFields): string =>
  `~subscribe ${number} ${JSON.stringify(fields)}`;
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

/** {@link messageLine} for the difference to the message at the offset `base` of the same epoch; `text`: the message is text. */
export const deltaLine = (topic: string, { epoch, offset }: Place, base: number, text: boolean): string =>
  `~message ${JSON.stringify({ topic, epoch, offset, base, text: text || undefined })}\n`;

/** Messages of a topic before this place may be missing. */
export const gapLine = (topic: string, { epoch, offset }: Place): string =>
  `~gap ${JSON.stringify({ topic, epoch, offset })}`;

/** Reads a line of a client; undefined if it is not one of these. Never throws. */
export function decodeTopicCall(message: Payload): TopicCall | undefined {
  const { form, number, json: { topic, from, stream, delta, key }, payload } = partsOf(message);
  if (!isText(topic)) return undefined;
  switch (form) {
    case "subscribe#{":
      return { type: "subscribe", number, topic, from, stream: stream === true, delta: delta === DELTA_FORMAT };
    case "unsubscribe#{":
      return { type: "unsubscribe", number, topic };
    case "publish#{+":
      return key === undefined || isText(key) ? { type: "publish", number, topic, key, payload } : undefined;
    default:
      return undefined;
  }
}
