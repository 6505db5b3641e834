import type { UIMessage, UIMessageChunk } from "ai";
import type { Client } from "../../src/client/client.ts";
import type { SessionFactory } from "../../src/client/session.ts";

/** The application's part of the chats of `chatSession`. */
export interface ChatOptions<Data = unknown> {
  /** Decides who the client is, as in `serve`. The handlers of the session are called as well; `onEvent` gets all messages but the frames of chats. */
  session: SessionFactory<Data>;
  /**
   * The topic of a chat, which must keep history; `undefined` refuses the client that chat. Let it hold the user's name, so that nobody reads the chats
   * of others.
   */
  topic(client: Client<Data>, chatId: string): string | undefined | Promise<string | undefined>;
  /** Answers: returns the chunks, or throws. The client hears only that it failed. */
  respond(request: ChatRequest<Data>): ChatChunks | Promise<ChatChunks>;
  /**
   * A page that asks for the answer of a chat gets one that has ended if its last part is not older than so many milliseconds. Default 60,000: a page that
   * loaded its messages just before the end misses nothing.
   */
  replayEndedMs?: number;
}

/** A message of a chat that asks for an answer. What the page sent is not checked further: use `validateUIMessages` of `ai`. */
export interface ChatRequest<Data = unknown> {
  readonly client: Client<Data>;
  /** The id of the chat, as the page named it. */
  readonly id: string;
  readonly messages: UIMessage[];
  readonly trigger: "submit-message" | "regenerate-message";
  readonly messageId: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly metadata: unknown;
  /** Aborted when a reader presses stop, and when the answer cannot go on. A page that is closed does not abort it. */
  readonly signal: AbortSignal;
}

/** The chunks of an answer, such as `streamText(…).toUIMessageStream()`. */
export type ChatChunks = ReadableStream<UIMessageChunk> | AsyncIterable<UIMessageChunk>;
