import type { WebSocketChatTransportRequest, WebSocketChatTransportResponse } from "ai";

/** A frame of a page: `send`, `resume` or `abort`. */
export type ChatFrame = WebSocketChatTransportRequest;
/** A frame to a page. */
export type ChatResponse = WebSocketChatTransportResponse;

/** The frame that a message is; undefined for anything else. Of the messages of a chat only that they are a list is checked. */
export function readFrame(message: string | Uint8Array): ChatFrame | undefined {
  const frame = typeof message === "string" ? parse(message) : undefined;
  if (!isRecord(frame) || !isName(frame["requestId"])) return undefined;
  const { type, id, headers, body, messages, trigger, messageId, lastSequence } = frame;
  if (type === "abort") return frame as unknown as ChatFrame;
  if (!isName(id) || !isRecord(headers) || !Object.values(headers).every(isText) || !isRecord(body)) return undefined;
  if (type === "resume") return isSequence(lastSequence) ? frame as unknown as ChatFrame : undefined;
  const isSend = type === "send" && (trigger === "submit-message" || trigger === "regenerate-message");
  if (!isSend || !Array.isArray(messages) || !(messageId === undefined || isText(messageId))) return undefined;
  return frame as unknown as ChatFrame;
}

/** The longest id of a request or of a chat, in characters. */
const MAX_NAME = 256;

function isName(value: unknown): boolean {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_NAME;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isSequence(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
