/**
 * The server of AI SDK's `WebSocketChatTransport`: chats whose answers go on over reloads, tabs and nodes.
 *
 * @module
 */
import "../src/base/check/check-node.ts";
import { checkFunction, checkMs, checkOptions, type OptionTable } from "../src/base/check/check.ts";
import { checkSession, type Refusal, type Session, type SessionFactory } from "../src/client/session.ts";
import type { Hub } from "../src/hub/hub.ts";
import { checkHub } from "./shared/upgrade-options.ts";
import { Chats } from "./ai-sdk/chats.ts";
import type { ChatOptions } from "./ai-sdk/options.ts";

export type { ChatChunks, ChatOptions, ChatRequest } from "./ai-sdk/options.ts";

/**
 * A session factory whose clients are pages with AI SDK's `useChat` and its `WebSocketChatTransport`, of version 7 of `ai`.
 *
 * Each answer is a stream of the hub: a page that was reloaded, or another tab, gets all of it, on any node; it goes on when nobody reads it, and
 * ends when its reader presses stop. The hub must keep history for the topics of the chats. If the node that produces an answer dies, its readers get
 * an error when the lease is over. A chat has one answer at a time: a second `send` is refused while it goes on.
 *
 * Throws a TypeError (`invalid_argument`) for bad options.
 *
 * ```ts
 * import { convertToModelMessages, streamText, validateUIMessages } from "ai";
 * import { Hub } from "meshsocket";
 * import { chatSession } from "meshsocket/ai-sdk";
 * import { serve } from "meshsocket/node";
 *
 * const hub = new Hub({ topics: [{ match: "chat:*", history: { messages: 10_000, ms: 3_600_000 } }] });
 * const session = chatSession(hub, {
 *   async session(request) {
 *     const user = await userOf(request);
 *     return user ? { user: user.name } : { refuse: 4401, reason: "sign in" };
 *   },
 *   topic: (client, chatId) => `chat:${client.user}:${chatId}`,
 *   async respond({ messages, signal }) {
 *     const prompt = await convertToModelMessages(await validateUIMessages({ messages }));
 *     return streamText({ model: "openai/gpt-5.2", messages: prompt, abortSignal: signal }).toUIMessageStream();
 *   },
 * });
 * await serve(hub, { port: 8080, path: "/chat", session });
 * ```
 */
export function chatSession<Data = unknown>(hub: Hub<Data>, options: ChatOptions<Data>): SessionFactory<Data> {
  checkHub("chatSession(hub, { session, topic, respond })", hub as Hub);
  checkOptions<ChatOptions<Data>>("options", options, CHAT_OPTIONS);
  const chats = new Chats<Data>(hub, options);
  return async (request, info) => {
    const session = await options.session(request, info);
    return isSession<Data>(session) ? withChats(session, chats) : session;
  };
}

const CHAT_OPTIONS: OptionTable<ChatOptions> = {
  session: checkFunction,
  topic: checkFunction,
  respond: checkFunction,
  replayEndedMs: (name, value) => checkMs(name, value, 0),
};

function isSession<Data>(session: Session<Data> | Response | Refusal): session is Session<Data> {
  return !(session instanceof Response) && !("refuse" in session);
}

function withChats<Data>(session: Session<Data>, chats: Chats<Data>): Session<Data> {
  checkSession("the session", session);
  return {
    ...session,
    onEvent: (client, message) => chats.read(client, message) ? undefined : session.onEvent?.(client, message),
    onDisconnect(client, code, reason, undelivered) {
      chats.left(client);
      return session.onDisconnect?.(client, code, reason, undelivered);
    },
  };
}
