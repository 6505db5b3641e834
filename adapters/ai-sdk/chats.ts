import { about } from "../../src/base/log/about.ts";
import { errorCode, MeshError } from "../../src/base/error.ts";
import type { Client } from "../../src/client/client.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { ChatOptions, ChatRequest } from "./options.ts";
import { type ChatFrame, type ChatResponse, readFrame } from "./frames.ts";

/** The chats of the clients of one node: what they send, and the answers that they read. */
export class Chats<Data> {
  readonly #hub: Hub<Data>;
  readonly #options: ChatOptions<Data>;
  readonly #readers = new Map<Client<Data>, Map<string, ChatReader>>();

  constructor(hub: Hub<Data>, options: ChatOptions<Data>) {
    this.#hub = hub;
    this.#options = options;
  }

  /** Takes a message of a client; false unless it is a frame of a chat. */
  read(client: Client<Data>, message: string | Uint8Array): boolean {
    const frame = readFrame(message);
    if (frame) void this.#take(client, frame);
    return frame !== undefined;
  }

  /** The client is gone: its answers go on. */
  left(client: Client<Data>): void {
    for (const { reading } of this.#readers.get(client)?.values() ?? []) reading.abort(GONE);
    this.#readers.delete(client);
  }

  /** Never rejects. */
  async #take(client: Client<Data>, frame: ChatFrame): Promise<void> {
    const { requestId } = frame;
    try {
      if (frame.type === "abort") return await this.#abort(client, requestId);
      const topic = await this.#options.topic(client, frame.id);
      if (topic === undefined) {
        return answer(client, { type: "error", requestId, errorText: "This chat is not yours." });
      }
      if (frame.type === "resume") await this.#resume(client, topic, requestId);
      else await this.#send(client, topic, frame);
    } catch (error) {
      this.#failed(client, requestId, error);
    }
  }

  async #send(client: Client<Data>, topic: string, frame: ChatFrame & { type: "send" }): Promise<void> {
    const { requestId } = frame;
    const stream = this.#hub.stream(topic);
    if (await stream.state() === "open") {
      const errorText = "A response is already active for this chat.";
      return answer(client, { type: "error", requestId, errorText });
    }
    const { id, messages, trigger, messageId, headers, metadata } = frame;
    const body = frame.body as ChatRequest["body"];
    const request = { client, id, messages, trigger, messageId, headers, body, metadata, signal: stream.stopped };
    const begun = Promise.withResolvers<void>();
    void this.#respond(request, stream, begun);
    await begun.promise;
    await this.#forward(client, topic, requestId);
  }

  /** Produces an answer, whoever reads it. Never rejects; `begun` tells of the first part, or of the error before it. */
  async #respond(
    request: ChatRequest<Data>,
    stream: ReturnType<Hub["stream"]>,
    begun: PromiseWithResolvers<void>,
  ): Promise<void> {
    try {
      for await (const chunk of await this.#options.respond(request)) {
        if (request.signal.aborted) break;
        await stream.append(`${JSON.stringify(chunk)}\n`);
        begun.resolve();
      }
      await stream.end();
      begun.resolve();
    } catch (error) {
      begun.reject(error);
      await this.#giveUp(stream, error);
    }
  }

  /** An answer that was stopped has ended; any other error fails it. */
  async #giveUp(stream: ReturnType<Hub["stream"]>, error: unknown): Promise<void> {
    const stopped = errorCode(stream.stopped.reason) === "canceled";
    if (!stopped) this.#hub.logger.warn("meshsocket: an answer of a chat failed", error, about("chat_failed"));
    await (stopped ? stream.end() : stream.fail(new MeshError("internal", FAILED))).catch(() => {});
  }

  async #resume(client: Client<Data>, topic: string, requestId: string): Promise<void> {
    const state = await this.#hub.stream(topic).state();
    const active = state === "open" || (state === "ended" && await this.#endedLately(topic));
    if (!active) return answer(client, { type: "no-active", requestId });
    answer(client, { type: "start", requestId });
    await this.#forward(client, topic, requestId);
  }

  async #endedLately(topic: string): Promise<boolean> {
    const { replayEndedMs = 60_000 } = this.#options;
    const { messages } = await this.#hub.history(topic, { from: { last: 1 } });
    return Date.now() - (messages[0]?.atMs ?? 0) <= replayEndedMs;
  }

  /** A reader presses stop. */
  async #abort(client: Client<Data>, requestId: string): Promise<void> {
    const reader = this.#readers.get(client)?.get(requestId);
    if (!reader) return;
    reader.reading.abort(GONE);
    await this.#hub.stream(reader.topic).stop();
  }

  /** Sends an answer to a client from its beginning, chunk by chunk. */
  async #forward(client: Client<Data>, topic: string, requestId: string): Promise<void> {
    const reading = new AbortController();
    const readers = this.#readersOf(client);
    if (!readers) return;
    if (readers.size >= MAX_READERS || readers.has(requestId)) {
      return answer(client, { type: "error", requestId, errorText: "Too many requests at once." });
    }
    readers.set(requestId, { topic, reading });
    try {
      let sequence = 0;
      for await (const chunk of this.#chunks(topic, reading.signal)) {
        await client.emit(
          `{"type":"chunk","requestId":${JSON.stringify(requestId)},"sequence":${sequence++},"chunk":${chunk}}`,
        );
      }
      answer(client, { type: "end", requestId });
    } finally {
      readers.delete(requestId);
    }
  }

  /** The chunks of an answer as JSON. */
  async *#chunks(topic: string, signal: AbortSignal): AsyncGenerator<string> {
    for await (const part of this.#hub.stream(topic).read({ signal })) {
      for (const line of String(part).split("\n")) if (line !== "") yield line;
    }
  }

  #readersOf(client: Client<Data>): Map<string, ChatReader> | undefined {
    if (this.#hub.client(client.id) !== client) return undefined;
    let readers = this.#readers.get(client);
    if (!readers) this.#readers.set(client, readers = new Map<string, ChatReader>());
    return readers;
  }

  #failed(client: Client<Data>, requestId: string, error: unknown): void {
    if (error === GONE) return;
    this.#hub.logger.warn("meshsocket: could not answer a chat", error, about("chat_failed", { client: client.id }));
    answer(client, { type: "error", requestId, errorText: FAILED });
  }
}

/** One answer that a client reads. */
interface ChatReader {
  readonly topic: string;
  readonly reading: AbortController;
}

const GONE = new MeshError("canceled", "the reader left");
const FAILED = "Chat request failed.";
/** Answers that one client may read at once. */
const MAX_READERS = 32;

function answer<Data>(client: Client<Data>, response: ChatResponse): void {
  client.emit(JSON.stringify(response)).catch(() => {});
}
