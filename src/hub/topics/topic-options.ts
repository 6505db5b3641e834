import {
  checkFlag,
  checkMs,
  checkOptions,
  checkText,
  kindOf,
  oneOf,
  type OptionTable,
} from "../../base/check/check.ts";
import { type CompressOptions, compressOptions } from "../../send/compression.ts";
import { invalidArgument } from "../../base/error.ts";

/** Settings of the topics whose name matches. */
export interface TopicOptions {
  /** The name of a topic; `*` stands for any characters, also for none: `"room:*"`. The first entry that matches a topic holds. */
  match: string;
  /** Keeps the topic's recent messages, so that clients can catch up. Default: keeps none. */
  history?: HistoryOptions;
  /**
   * Whether, and from which size, the topic's messages are compressed for the clients that ask for it; `false` never does. Default: as
   * the hub's option `compress` says.
   */
  compress?: boolean | Partial<CompressOptions>;
  /**
   * `"latest"`: a client that reads too slowly (`limits.maxLagBytes`), or is away, gets only the newest message of the topic, once it has
   * read. For prices and cursors. Default: it gets every message, and its fate is that of the hub's option `slowConsumer`.
   */
  slowConsumer?: "latest";
  /**
   * Sends clients of `meshsocket.v1` that ask for it the difference to the message before, if that is shorter: for states that change little.
   * Needs `history` and the package `fossil-delta`. Default false.
   */
  delta?: boolean;
}

/** How much of a topic is kept. A message goes as soon as one of the three is exceeded. */
export interface HistoryOptions {
  /** Messages, 1 to 1,000,000. */
  messages: number;
  /** Milliseconds since the message was published. Default 86,400,000: a day. */
  ms?: number;
  /** Bytes of the messages: UTF-8 of a text. A longer message is delivered and not kept. Default 4,194,304. */
  bytes?: number;
}

/** Whether the pattern, in which `*` stands for any characters, matches all of the text. */
export function matches(pattern: string, text: string): boolean {
  const [first = "", ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** Throws a TypeError (`invalid_argument`) unless it is a list of {@link TopicOptions} of which each can match a topic. */
export function checkTopics(name: string, value: unknown): void {
  if (!Array.isArray(value)) {
    throw invalidArgument(
      `${name} must be a list such as [{ match: "room:*", history: { messages: 100 } }], not ${kindOf(value)}`,
    );
  }
  const earlier: string[] = [];
  for (const [index, entry] of (value as unknown[]).entries()) {
    const written = `${name}[${index}]`;
    checkOptions<TopicOptions>(written, entry, TOPIC_OPTIONS, `${written}.`);
    const { match, delta, history } = entry;
    if (delta && !history) {
      throw invalidArgument(
        `${written}.delta needs ${written}.history: a client that lacks a message reads it from there`,
      );
    }
    if (match === undefined) throw invalidArgument(`${written} needs a match, such as "room:*"`);
    // A "*" of the later pattern must be within a "*" of the earlier one: no topic holds this character alone.
    const cover = earlier.find((pattern) => matches(pattern, match.replaceAll("*", "\u{10ffff}")));
    if (cover !== undefined) {
      throw invalidArgument(
        `${written}.match ${JSON.stringify(match)} never holds: ${
          JSON.stringify(cover)
        } before it matches all of that. ` +
          "Write the narrower pattern first",
      );
    }
    earlier.push(match);
  }
}

const HISTORY_OPTIONS: OptionTable<HistoryOptions> = {
  messages: (name, value) => checkWhole(name, value, 1_000_000),
  ms: (name, value) => checkMs(name, value, 1),
  bytes: (name, value) => checkWhole(name, value, Number.MAX_SAFE_INTEGER),
};

const TOPIC_OPTIONS: OptionTable<TopicOptions> = {
  match: checkText,
  slowConsumer: oneOf("latest"),
  delta: checkFlag,
  compress: (name, value) => void compressOptions(name, value as TopicOptions["compress"]),
  history(name, value) {
    checkOptions<HistoryOptions>(name, value, HISTORY_OPTIONS, `${name}.`);
    if (value.messages === undefined) throw invalidArgument(`${name} needs messages: how many are kept at most`);
  },
};

function checkWhole(name: string, value: unknown, most: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) return;
  throw invalidArgument(`${name} must be a whole number from 1 to ${most}, not ${String(value)}`);
}
