import { shouldReconnect } from "../src/base/close-code.ts";
import { MeshError } from "../src/base/error.ts";
import { type Payload, requestLine } from "../src/wire/v1.ts";
import { type CallOptions, Calls, type RequestHandler, type Sendable, toPayload } from "./calls.ts";
import { hintOf, isRefusal } from "./closing.ts";
import { type EventListenerFor, eventOf, MeshEventTarget, type MeshWebSocketEvents, type Pending } from "./events.ts";
import { Line, type LineOwner, notV1 } from "./line.ts";
import {
  type Address,
  type ConnectOptions,
  delayBefore,
  listOf,
  MAX_TIMER_MS,
  type Settings,
  settingsOf,
} from "./options.ts";
import { Outbox } from "./outgoing.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import type { ReadStreamOptions } from "./stream.ts";
import type { Delivery, PublishOptions, Topics } from "./topics.ts";

/**
 * Connects to a server and stays connected: a {@link MeshWebSocket} that connects again even if the server has forgotten it.
 *
 * It never throws for a server that cannot be reached: it tries again until `close()`, or until the server refuses it. Throws a
 * TypeError (`invalid_argument`) for a wrong URL, and for unknown options and such of a wrong type.
 */
export function connect(url: Address, options: ConnectOptions = {}): MeshWebSocket {
  const { protocols = [] } = settingsOf(options);
  return new MeshWebSocket(url, protocols, { reconnect: true, ...options });
}

type Handler = ((event: Event) => unknown) | null;

const TYPES = ["open", "message", "error", "close", "away", "resumed", "lost", "refused"] as const;

/**
 * A WebSocket that hides dropped connections as long as nothing is lost.
 *
 * It has the properties, methods and events of the platform's WebSocket, so libraries accept the class instead of it. A
 * connection that drops is opened again (`away`, then `resumed`), and messages sent meanwhile wait. If messages may be missing it
 * says so (`lost`) and closes, or with `reconnect` goes on as a new client.
 */
export class MeshWebSocket extends MeshEventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  onopen: EventListenerFor<"open"> | null = null;
  onmessage: EventListenerFor<"message"> | null = null;
  onerror: EventListenerFor<"error"> | null = null;
  onclose: EventListenerFor<"close"> | null = null;
  onaway: EventListenerFor<"away"> | null = null;
  onresumed: EventListenerFor<"resumed"> | null = null;
  onlost: EventListenerFor<"lost"> | null = null;
  onrefused: EventListenerFor<"refused"> | null = null;
  /** Answers calls of the server. */
  onrequest: RequestHandler | null = null;
  /** How `event.data` has bytes: `"blob"` or `"arraybuffer"`. */
  binaryType: "blob" | "arraybuffer" = "blob";

  readonly #settings: Settings;
  readonly #outbox = new Outbox();
  readonly #calls: Calls = new Calls((line) => this.#push(line, undefined, undefined));
  readonly #line: Line;
  #topics: Topics | undefined;
  #loading: Promise<Topics> | undefined;
  #readyState = 0;
  #away = false;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the client began to be away. */
  #awaySince = 0;
  #rejects = new Set<(error: MeshError) => void>();
  /** The network is back, or the page is shown, whose timers were slow or stopped while it was hidden. */
  readonly #wake = (): void => {
    if (globalThis.document?.hidden) return;
    if (this.#timer === undefined) return this.#line.probe();
    clearTimeout(this.#timer);
    this.#attempt();
  };
  readonly #abort = (): void => this.close();

  constructor(url: Address, protocols: string | readonly string[] = [], options: ConnectOptions = {}) {
    super();
    this.#settings = settingsOf(options);
    this.#line = new Line(url, listOf(protocols), this.#settings, this.#owner());
    if (typeof url !== "function") this.#line.address(url);
    for (const type of TYPES) this.addEventListener(type, (event) => (this[`on${type}`] as Handler)?.(event));
    options.signal?.addEventListener("abort", this.#abort);
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    if (options.signal?.aborted) queueMicrotask(this.#abort);
    else this.#attempt();
  }

  // ---- as a WebSocket ----

  get readyState(): number {
    return this.#readyState;
  }

  /** Whether the connection dropped and may come back: `readyState` stays OPEN, and messages wait. */
  get away(): boolean {
    return this.#away;
  }

  /** The client's id at the server; "" if that does not speak `meshsocket.v1`. */
  get id(): string {
    return this.#line.id;
  }

  get url(): string {
    return this.#line.url;
  }

  get protocol(): string {
    return this.#line.protocol;
  }

  get extensions(): string {
    return this.#line.extensions;
  }

  /** Bytes that were not sent yet. */
  get bufferedAmount(): number {
    return this.#outbox.unsent + this.#line.bufferedAmount;
  }

  /** Sends a message; while the connection is not open, it waits. Throws a MeshError (`resource_exhausted`) beyond `maxBytes`. */
  send(data: Sendable | Blob): void {
    this.#enqueue(data, undefined);
  }

  /** Closes for good. */
  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`the close code must be 1000, or 3000 to 4999, not ${code}`, "InvalidAccessError");
    }
    if (this.#readyState >= 2) return;
    this.#readyState = 2;
    clearTimeout(this.#timer);
    if (!this.#line.close(code, reason)) queueMicrotask(() => this.#end(code ?? 1005, reason ?? "", true));
  }

  // ---- more than a WebSocket ----

  /**
   * Sends a message; resolves once the server has handed it to the application. Rejects with `unknown` if the client was lost
   * or closed before, `deadline_exceeded` after `timeoutMs`, and `failed_precondition` if the server does not speak `meshsocket.v1`.
   */
  confirm(data: Sendable | Blob, options: CallOptions = {}): Promise<void> {
    return this.#call(options, (resolve) => {
      this.#enqueue(data, resolve);
      this.#line.sync();
    });
  }

  /** Calls the server and resolves with its reply. Rejects with the code of its error, or as {@link MeshWebSocket.confirm}. */
  request(data: Sendable, options: CallOptions = {}): Promise<Pending> {
    return this.#ask<Pending>(options, requestLine, data);
  }

  /**
   * Subscribes to a topic; resolves when no message that is published from then on is missed. Two subscriptions to one topic
   * share its messages. Rejects with the code of the server's error (`permission_denied` unless its session has an
   * `onSubscribe` that allows it), `deadline_exceeded`, the signal's reason, `failed_precondition` if the server does not speak
   * `meshsocket.v1`, and `unavailable` if the part of this package for topics cannot be loaded, or this is closed.
   *
   * ```ts
   * import { connect } from "meshsocket/client";
   *
   * const ws = connect("wss://example.com/ws");
   * const room = await ws.subscribe("room:1");
   * for await (const { data } of room) console.log(data);
   * ```
   */
  async subscribe(topic: string, options: SubscribeOptions = {}): Promise<Subscription> {
    return (await this.#part()).subscribe(topic, options);
  }

  /**
   * Publishes to all listeners of a topic, with this client if it is one; resolves with how many got the message. Rejects as
   * {@link MeshWebSocket.subscribe} does (the session decides by `onPublish`), and with `unknown` if the client was lost before.
   */
  async publish(topic: string, data: Sendable, options: PublishOptions = {}): Promise<Delivery> {
    return (await this.#part()).publish(topic, data, options);
  }

  /**
   * Reads a stream of the server, such as the answer of a model, from its beginning: what came so far as one part, then each. It waits for
   * one that has not begun, and goes on after lost connections. The session decides by `onSubscribe`. Throws the MeshError of a stream that
   * failed, `not_found` if its beginning is not kept any more, and what {@link MeshWebSocket.subscribe} rejects with. A page reads a topic
   * once at a time. To stop the producer: `ws.publish(topic, "?")`.
   *
   * ```ts
   * import { connect } from "meshsocket/client";
   *
   * const ws = connect("wss://example.com/ws");
   * for await (const part of ws.stream("answer:42")) document.body.append(String(part));
   * ```
   */
  async *stream(topic: string, options: ReadStreamOptions = {}): AsyncGenerator<Pending, undefined> {
    yield* (await this.#part()).stream(topic, options);
    return undefined;
  }

  /** Subscriptions are a part of the package of their own, which most pages load later or not at all. */
  #part(): Promise<Topics> {
    return (this.#loading ??= import("./topics.ts").then(
      ({ Topics }) => (this.#topics = new Topics({
        calls: this.#calls,
        settings: this.#settings,
        check: () => this.#check(),
        ask: this.#ask.bind(this),
      })),
      (cause: unknown) => {
        this.#loading = undefined;
        throw new MeshError("unavailable", "could not load the part for topics", { cause });
      },
    ));
  }

  /** Throws if the server cannot be called. */
  #check(): void {
    if (this.#readyState >= 2) throw new MeshError("unavailable", "the WebSocket is closed");
    if (this.#line.plain) throw notV1();
  }

  #ask<Reply>(options: CallOptions, line: (number: number) => string, data: Sendable): Promise<Reply> {
    return this.#call<Reply>(options, (resolve, reject) => {
      const message = toPayload(data);
      this.#hasRoom(message.length);
      const { reply, giveUp } = this.#calls.request<Reply>(line, message);
      reply.then(resolve, reject);
      return giveUp;
    });
  }

  #call<Value>(options: CallOptions, begin: Begin<Value>): Promise<Value> {
    const { signal, timeoutMs = this.#settings.timeoutMs } = options;
    return new Promise<Value>((resolve, reject) => {
      signal?.throwIfAborted();
      this.#check();
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      const late = (): void => fail(new MeshError("deadline_exceeded", "no answer in time"));
      const timer = setTimeout(late, Math.min(timeoutMs, MAX_TIMER_MS));
      const onAbort = (): void => fail(signal?.reason);
      const settle = (): void => {
        clearTimeout(timer);
        this.#rejects.delete(fail);
        signal?.removeEventListener("abort", onAbort);
        giveUp?.();
      };
      this.#rejects.add(fail);
      signal?.addEventListener("abort", onAbort);
      let giveUp: (() => void) | void;
      try {
        giveUp = begin((value) => {
          settle();
          resolve(value);
        }, fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  // ---- sending ----

  #enqueue(data: Sendable | Blob, done: (() => void) | undefined): void {
    if (typeof Blob !== "undefined" && data instanceof Blob) return this.#enqueueBlob(data, done);
    const message = toPayload(data as Sendable);
    if (this.#hasRoom(message.length)) this.#push(message, message, done);
  }

  /** Keeps the place of a Blob in the order until it is read. */
  #enqueueBlob(blob: Blob, done: (() => void) | undefined): void {
    if (!this.#hasRoom(blob.size)) return;
    const item = { data: undefined as Payload | undefined, bytes: blob.size, message: new Uint8Array(), done };
    this.#outbox.push(item);
    void blob.arrayBuffer().then((buffer) => {
      item.data = item.message = new Uint8Array(buffer);
      this.#line.flush();
    });
  }

  #push(data: Payload, message: Payload | undefined, done: (() => void) | undefined): void {
    this.#outbox.push({ data, bytes: data.length, message, done });
    this.#line.flush();
  }

  /** False for a socket that closes, whose messages a WebSocket drops. */
  #hasRoom(bytes: number): boolean {
    if (this.#readyState >= 2) return false;
    const { maxBytes } = this.#settings;
    if (this.#outbox.bytes === 0 || this.#outbox.bytes + bytes <= maxBytes) return true;
    throw new MeshError("resource_exhausted", `more than ${maxBytes} bytes wait to be sent or acknowledged`);
  }

  // ---- connections ----

  #owner(): LineOwner {
    return {
      outbox: this.#outbox,
      calls: this.#calls,
      handler: () => this.onrequest,
      waits: () => this.#rejects.size > 0,
      topics: () => this.#topics,
      message: (data) => this.#message(data),
      opened: () => this.#opened(),
      resumed: () => this.#resumed(),
      lost: (why) => this.#lost(why),
      dropped: (code, reason) => this.#dropped(code, reason),
    };
  }

  #attempt(): void {
    this.#timer = undefined;
    void this.#line.open();
  }

  #opened(): void {
    this.#attempts = 0;
    this.#away = false;
    if (this.#readyState > 1) return;
    this.#readyState = 1;
    this.#fire("open");
  }

  #resumed(): void {
    this.#attempts = 0;
    this.#away = false;
    this.#fire("resumed");
  }

  /** The server has a new client, or none. */
  #lost(why: string): boolean {
    const dropped = this.#outbox.restart(true);
    const pending = dropped.flatMap(({ message }) => (message === undefined ? [] : [message]));
    this.#fail(new MeshError("unknown", "the client was lost: the server may or may not have got it"));
    this.#away = false;
    const goesOn = this.#settings.reconnect === true && this.#readyState === 1;
    // Before the listeners of `lost` send anything.
    if (goesOn) this.#topics?.lost();
    else this.#readyState = Math.max(2, this.#readyState);
    this.#fire("lost", { why, pending });
    return goesOn && this.#readyState === 1;
  }

  #message(data: Payload): void {
    if (typeof data === "string") this.#fire("message", { data, origin: this.url });
    else {
      const bytes = data as Uint8Array<ArrayBuffer>;
      const buffer = (): ArrayBuffer =>
        bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
      this.#fire("message", { data: this.binaryType === "blob" ? new Blob([bytes]) : buffer(), origin: this.url });
    }
  }

  /** A connection ended, or could not be opened. */
  #dropped(code: number, reason: string): void {
    if (this.#readyState >= 2 || !this.#comesBack(code)) return this.#end(code, reason, code !== 1006);
    if (!this.#away && this.#readyState === 1) {
      this.#away = true;
      this.#awaySince = Date.now();
      this.#fire("away", { code, reason });
    }
    const hint = this.#line.retryAfterMs ?? hintOf(reason);
    // For one attempt: should that meet the same node, another follows soon.
    this.#line.retryAfterMs = undefined;
    this.#timer = setTimeout(() => this.#attempt(), hint ?? delayBefore(this.#attempts, this.#settings));
    this.#attempts++;
  }

  #comesBack(code: number): boolean {
    if (!shouldReconnect(code)) return false;
    if (this.#settings.reconnect) return true;
    // Only a client that may still resume: otherwise the library that uses this WebSocket is to know.
    return this.#line.mayResume && !(this.#away && Date.now() - this.#awaySince > this.#line.windowMs);
  }

  #end(code: number, reason: string, wasClean: boolean): void {
    if (this.#readyState === 3) return;
    const wasOpen = this.#readyState > 0;
    const why = this.#readyState === 2 && wasClean
      ? undefined
      : new MeshError("unavailable", `closed with ${code} ${reason}`);
    this.#readyState = 3;
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#settings.signal?.removeEventListener("abort", this.#abort);
    if (isRefusal(code)) this.#fire("refused", { code, reason });
    else if (this.#away) this.#lost("closed");
    this.#away = false;
    this.#topics?.end(why);
    this.#fail(new MeshError("unknown", "the connection is closed: the server may or may not have got it"));
    if (!wasOpen && !wasClean) this.#fire("error");
    this.#fire("close", { code, reason, wasClean });
  }

  #fail(error: MeshError): void {
    for (const reject of [...this.#rejects]) reject(error);
    this.#calls.end(error);
  }

  #fire(type: keyof MeshWebSocketEvents, properties?: object): void {
    this.dispatchEvent(eventOf(type, properties));
  }
}

type Begin<Value> = (resolve: (value: Value) => void, reject: (error: unknown) => void) => (() => void) | void;
