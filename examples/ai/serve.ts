/**
 * A chat with a model: an answer goes on over reloads, tabs and nodes, and stops when somebody presses stop.
 *
 *   node examples/ai/serve.ts                                                 a fake model, one node
 *   AI_MODEL=openai/gpt-5.2 AI_GATEWAY_API_KEY=… node examples/ai/serve.ts    a real one
 *   MESHSOCKET_STORAGE_URL=redis://127.0.0.1:6379 MESHSOCKET_SECRET=… PORT=8080 node examples/ai/serve.ts    one of several nodes
 */
import { fileURLToPath } from "node:url";
import process from "node:process";
import { convertToModelMessages, generateId, streamText, toUIMessageStream, validateUIMessages } from "ai";
import { chatSession } from "../../adapters/ai-sdk.ts"; // in a project of yours: "meshsocket/ai-sdk"
import { serve } from "../../adapters/node.ts"; // "meshsocket/node"
import { DistHub, Hub } from "../../src/index.ts"; // "meshsocket"
import { RedisStorage } from "../../src/storage/redis/redis.ts"; // "meshsocket/redis"
import { bundleOf } from "../../tools/client-bundle.ts";
import { modelFrom } from "./model.ts";

const { PORT, MESHSOCKET_STORAGE_URL, MESHSOCKET_STORAGE_TOKEN, MESHSOCKET_SECRET, MESHSOCKET_LEASE_MS } = process.env;

// In a project of yours the bundler does this.
const script = bundleOf(fileURLToPath(new URL("page.ts", import.meta.url)));
const page = `<!doctype html><title>meshsocket and AI SDK</title>
<ol id="messages"></ol><p id="state" role="status"></p>
<form id="ask"><label>Message <input name="text" autocomplete="off"></label> <button>Send</button></form>
<button id="stop">Stop</button><script type="module" src="page.js"></script>`;

const model = modelFrom();

const topics = [{ match: "chat:*", history: { messages: 10_000, ms: 3_600_000 } }];
const hub = MESHSOCKET_STORAGE_URL
  ? new DistHub({
    storage: new RedisStorage(MESHSOCKET_STORAGE_URL, "chats", { token: MESHSOCKET_STORAGE_TOKEN }),
    secret: MESHSOCKET_SECRET,
    leaseMs: Number(MESHSOCKET_LEASE_MS ?? 15_000),
    topics,
  })
  : new Hub({ topics });

const session = chatSession(hub, {
  // In a project of yours: find out who it is, or refuse with { refuse: 4401, reason: "sign in" }.
  session: () => ({ user: "visitor" }),
  topic: (client, chatId) => `chat:${client.user}:${chatId}`,
  async respond({ messages, signal }) {
    const prompt = await convertToModelMessages(await validateUIMessages({ messages }));
    const answer = streamText({ model, messages: prompt, abortSignal: signal });
    // In a project of yours: store the messages in onFinish.
    return toUIMessageStream({ stream: answer.stream, generateMessageId: generateId });
  },
});

const server = await serve(hub, {
  port: Number(PORT ?? 8080),
  hostname: "127.0.0.1",
  path: "/chat",
  ...(hub instanceof DistHub && { rpc: { hostname: "127.0.0.1" } }),
  session,
  fetch({ url }) {
    const isScript = new URL(url).pathname === "/page.js";
    const headers = { "content-type": isScript ? "text/javascript" : "text/html; charset=utf-8" };
    return new Response(isScript ? script : page, { headers });
  },
});
console.log(`listening on ${server.url}`);
process.once("SIGTERM", () => void server.close());
