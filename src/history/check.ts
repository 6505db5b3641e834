import { checkMs, checkName, checkObject, utf8Bytes } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import {
  type From,
  type HistoryQuery,
  type HistoryWindow,
  MAX_APPEND_BYTES,
  MAX_APPEND_MESSAGES,
  MAX_READ_MESSAGES,
  type NewMessage,
  type Position,
} from "./history.ts";

const MAX_WINDOW_MESSAGES = 1_000_000;
const MAX_KEY_CHARS = 128;

/** The bytes of a message as windows count them. */
export function messageBytes(data: string | Uint8Array): number {
  return typeof data === "string" ? utf8Bytes(data) : data.byteLength;
}

/** Throws a TypeError (`invalid_argument`) for arguments that no store can append. */
export function checkAppend(topic: string, messages: readonly NewMessage[], window: HistoryWindow): void {
  checkName("topic", topic, Infinity);
  checkWindow(window);
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > MAX_APPEND_MESSAGES) {
    throw invalidArgument(`one call appends a list of 1 to ${MAX_APPEND_MESSAGES} messages`);
  }
  let bytes = 0;
  for (const message of messages as readonly NewMessage[]) {
    checkMessage(message);
    bytes += messageBytes(message.data);
  }
  if (messages.length > 1 && bytes > MAX_APPEND_BYTES) {
    throw invalidArgument(`one call appends at most ${MAX_APPEND_BYTES} bytes: append in several calls`);
  }
}

function checkMessage(message: NewMessage): void {
  checkObject("a message", message);
  const { data, key } = message as { data: unknown; key?: unknown };
  if (!(data instanceof Uint8Array) && !(typeof data === "string" && data.isWellFormed())) {
    throw invalidArgument(`message.data must be a well-formed string or a Uint8Array, not ${typeof data}`);
  }
  if (key !== undefined) checkKey(key);
}

/** Throws a TypeError (`invalid_argument`) unless a message can have this key. */
export function checkKey(key: unknown): void {
  if (typeof key === "string" && key !== "" && key.length <= MAX_KEY_CHARS && key.isWellFormed()) return;
  throw invalidArgument(`the key must be a well-formed string of 1 to ${MAX_KEY_CHARS} characters`);
}

/** Throws a TypeError (`invalid_argument`) for a window that is not bounded in all three ways. */
export function checkWindow(window: HistoryWindow): void {
  checkObject("window", window);
  checkCount("window.messages", window.messages, 1, MAX_WINDOW_MESSAGES);
  checkMs("window.ms", window.ms, 1);
  checkCount("window.bytes", window.bytes, 1, Number.MAX_SAFE_INTEGER);
}

/** Throws a TypeError (`invalid_argument`) for a query that names no messages. */
export function checkQuery(topic: string, query: HistoryQuery): void {
  checkName("topic", topic, Infinity);
  checkObject("query", query);
  const { from, to, limit } = query;
  if (to !== undefined) checkCount("to", to, 0, Number.MAX_SAFE_INTEGER);
  if (limit !== undefined) checkCount("limit", limit, 1, MAX_READ_MESSAGES);
  if (from !== undefined) checkFrom(from);
}

/** Throws a TypeError (`invalid_argument`) unless it names a place to read from. */
export function checkFrom(from: From): void {
  checkObject("from", from);
  if ("last" in from) checkCount("from.last", from.last, 1, MAX_WINDOW_MESSAGES);
  else if ("ms" in from) checkMs("from.ms", from.ms, 1);
  else checkPosition(from);
}

function checkPosition({ epoch, offset }: Position): void {
  if (typeof epoch !== "string" || !/^[\w-]{1,64}$/.test(epoch)) {
    throw invalidArgument("from.epoch must be the epoch of a position that was read before");
  }
  checkCount("from.offset", offset, 0, Number.MAX_SAFE_INTEGER);
}

function checkCount(what: string, value: unknown, least: number, most: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw invalidArgument(`${what} must be a whole number from ${least} to ${most}`);
}
