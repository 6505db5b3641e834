/** Chats with the client that AI SDK has: its own `WebSocketChatTransport`, over each runtime's server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type UIMessage, type UIMessageChunk, WebSocketChatTransport } from "ai";
import { type ChatRequest, chatSession } from "../../adapters/ai-sdk.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();

/** A model that says a word when it is told to. */
class Model {
  readonly requests: ChatRequest[] = [];
  readonly #words: (string | Error | undefined)[] = [];
  #wake: (() => void) | undefined;

  /** The next word; undefined ends the answer, an error fails it. */
  say(...words: (string | Error | undefined)[]): void {
    this.#words.push(...words);
    this.#wake?.();
  }

  respond = (request: ChatRequest): AsyncIterable<UIMessageChunk> => {
    this.requests.push(request);
    return this.#answer(request.signal);
  };

  async *#answer(signal: AbortSignal): AsyncGenerator<UIMessageChunk> {
    yield { type: "start", messageId: "m1" };
    yield { type: "text-start", id: "t1" };
    for (;;) {
      while (this.#words.length === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener("abort", () => resolve());
        });
      }
      if (signal.aborted) return;
      const word = this.#words.shift();
      if (word instanceof Error) throw word;
      if (word === undefined) break;
      yield { type: "text-delta", id: "t1", delta: word };
    }
    yield { type: "text-end", id: "t1" };
    yield { type: "finish" };
  }
}

/** Two nodes in one process, whose chats share a model. */
class Scene implements AsyncDisposable {
  readonly model = new Model();
  readonly #storage = new MemoryStorage();
  readonly #servers: Server[] = [];
  readonly hubs: DistHub[] = [];
  readonly #transports: WebSocketChatTransport<UIMessage>[] = [];

  async start(replayEndedMs?: number): Promise<this> {
    for (let nodes = 0; nodes < 2; nodes++) {
      const hub = new DistHub({
        storage: this.#storage,
        secret: "a secret of the test",
        logger: silentLogger,
        topics: [{ match: "chat:*", history: { messages: 1_000 } }],
      });
      const session = chatSession(hub, {
        session: () => ({ user: "alice" }),
        topic: (client, chatId) => chatId === "other" ? undefined : `chat:${client.user}:${chatId}`,
        respond: this.model.respond,
        ...(replayEndedMs === undefined ? {} : { replayEndedMs }),
      });
      this.hubs.push(hub);
      this.#servers.push(await serve(hub, { port: 0, hostname: "127.0.0.1", rpc: { port: 0 }, session }));
    }
    return this;
  }

  page(node: 0 | 1 = 0): WebSocketChatTransport<UIMessage> {
    const transport = new WebSocketChatTransport<UIMessage>({ url: `ws://127.0.0.1:${this.#servers[node]?.port}/` });
    this.#transports.push(transport);
    return transport;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const transport of this.#transports) transport.close();
    await Promise.all(this.#servers.map((server) => server.close()));
  }
}

const MESSAGES: UIMessage[] = [{ id: "u1", role: "user", parts: [{ type: "text", text: "hello" }] }];

function send(
  page: WebSocketChatTransport<UIMessage>,
  abortSignal?: AbortSignal,
  chatId = "1",
): Promise<ReadableStream<UIMessageChunk>> {
  const trigger = "submit-message";
  return page.sendMessages({ chatId, trigger, messageId: undefined, messages: MESSAGES, abortSignal });
}

/** The words of an answer. */
async function textOf(stream: ReadableStream<UIMessageChunk> | null): Promise<string> {
  let text = "";
  for await (const chunk of stream ?? []) if (chunk.type === "text-delta") text += chunk.delta;
  return text;
}

/** Reads until an answer has said this much. */
async function heard(stream: ReadableStream<UIMessageChunk> | null, length: number): Promise<string> {
  let text = "";
  for await (const chunk of stream?.values({ preventCancel: true }) ?? []) {
    if (chunk.type === "text-delta") text += chunk.delta;
    if (text.length >= length) break;
  }
  return text;
}

test("a page gets its answer, chunk by chunk", async () => {
  await using scene = await new Scene().start();
  const answer = await send(scene.page());
  scene.model.say("Hel", "lo", undefined);
  assert.equal(await textOf(answer), "Hello");
  assert.deepEqual(scene.model.requests[0]?.messages, MESSAGES);
  assert.equal(scene.model.requests[0]?.client.user, "alice");
});

test("a page that was reloaded gets the answer from its beginning, on another node too, and it goes on meanwhile", async () => {
  await using scene = await new Scene().start();
  const page = scene.page();
  const answer = await send(page);
  scene.model.say("Hel");
  assert.equal(await heard(answer, 3), "Hel");
  page.close();
  scene.model.say("lo, ");
  const again = await scene.page(1).reconnectToStream({ chatId: "1" });
  scene.model.say("world", undefined);
  assert.equal(await textOf(again), "Hello, world");
  assert.equal(
    await textOf(await scene.page().reconnectToStream({ chatId: "1" })),
    "Hello, world",
    "it has just ended",
  );
});

test("two tabs on two nodes read one answer, and one presses stop", async () => {
  await using scene = await new Scene().start();
  const stop = new AbortController();
  const first = await send(scene.page());
  scene.model.say("one ");
  assert.equal(await heard(first, 4), "one ");
  const second = await scene.page(1).reconnectToStream({ chatId: "1", abortSignal: stop.signal });
  assert.equal(await heard(second, 4), "one ");
  stop.abort();
  assert.equal(await textOf(first), "");
  assert.equal(scene.model.requests[0]?.signal.aborted, true);
});

test("a chat without an answer, or whose answer ended long ago, is not active", async () => {
  await using scene = await new Scene().start(0);
  assert.equal(await scene.page().reconnectToStream({ chatId: "1" }), null);
  const answer = await send(scene.page());
  scene.model.say("hi", undefined);
  await textOf(answer);
  await until("the answer is over", async () => await scene.page(1).reconnectToStream({ chatId: "1" }) === null);
});

test("an answer that fails, a second one at a time, and the chat of somebody else are refused without a reason", async () => {
  await using scene = await new Scene().start();
  const page = scene.page();
  const answer = await send(page);
  await until("the model was asked", () => scene.model.requests.length === 1);
  scene.model.say("a");
  assert.equal(await heard(answer, 1), "a");
  await assert.rejects(send(page).then(textOf), { message: "A response is already active for this chat." });
  await assert.rejects(send(page, undefined, "other").then(textOf), { message: "This chat is not yours." });
  scene.model.say(new Error("the key of the model is wrong"));
  await assert.rejects(textOf(answer), { message: "Chat request failed." });
  const next = await send(page);
  scene.model.say("b", undefined);
  assert.equal(await textOf(next), "b");
});

test("an answer whose node is closed fails for its readers on other nodes, and the chat goes on there", async () => {
  await using scene = await new Scene().start();
  const answer = await send(scene.page());
  scene.model.say("one");
  await heard(answer, 3);
  const there = await scene.page(1).reconnectToStream({ chatId: "1" });
  assert.equal(await heard(there, 3), "one");
  const failed = assert.rejects(textOf(there), { message: "Chat request failed." });
  await scene.hubs[0]?.close();
  await failed;
  const next = await send(scene.page(1));
  scene.model.say("two", undefined);
  assert.equal(await textOf(next), "two");
});
