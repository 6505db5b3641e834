import { Backlog } from "./backlog.ts";
import { checkClose } from "./check.ts";
import type { Client } from "./client.ts";
import { CloseCode } from "./close-code.ts";
import type { ConnectionOwner, Identity } from "./connection-owner.ts";
import { MeshError } from "./error.ts";
import type { Frame, Message } from "./frame.ts";
import type { Session } from "./session.ts";
import type { Socket, SocketReceiver } from "./socket.ts";
import type { Delivery, SendOptions, SendToManyOptions } from "./verbs.ts";

const NO_TOPICS: ReadonlySet<string> = new Set();

/**
 * A {@link Client} from the inside: the queue of what this tick sends to it, and the handlers of what it sends to us.
 */
export class Connection<Data = unknown> implements Client<Data>, SocketReceiver {
  readonly id: string;
  /** The number of the claim by which this connection has its id: of two connections the larger is the newer. */
  claim: bigint;
  data: Data;
  readonly url: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  /** Filled by the topic index; undefined while there are none. */
  topicSet: Set<string> | undefined;
  readonly #owner: ConnectionOwner<Data>;
  readonly #socket: Socket;
  readonly #session: Session<Data>;
  #open = true;
  #queue: Frame[] = [];
  #queuedBytes = 0;
  #backlog: Backlog | undefined;
  /** A handler is running, so messages wait in the backlog. */
  #busy = false;
  #connected = false;
  #ended: { code: number; reason: string } | undefined;
  #gone: PromiseWithResolvers<void> | undefined;
  #closeSent: { code: number; reason: string } | undefined;

  constructor(owner: ConnectionOwner<Data>, socket: Socket, identity: Identity<Data>) {
    this.#owner = owner;
    this.#socket = socket;
    this.#session = identity.session;
    this.id = identity.id;
    this.claim = identity.claim;
    this.data = identity.session.data as Data;
    this.url = identity.url;
    this.remoteAddress = identity.remoteAddress;
    this.protocol = identity.protocol;
  }

  get open(): boolean {
    return this.#open;
  }

  get bufferedAmount(): number {
    return this.#queuedBytes + this.#socket.bufferedAmount;
  }

  get topics(): ReadonlySet<string> {
    return this.topicSet ?? NO_TOPICS;
  }

  // ---- towards the client ----

  emit(message: Message, options?: SendOptions): Promise<boolean> {
    return this.#owner.send(this, message, options);
  }

  broadcast(message: Message, options: SendToManyOptions = {}): Promise<Delivery> {
    return this.#owner.broadcast(message, this.#exceptSelf(options));
  }

  publish(topic: string, message: Message, options: SendToManyOptions = {}): Promise<Delivery> {
    return this.#owner.publish(topic, message, this.#exceptSelf(options));
  }

  subscribe(topics: string | readonly string[], options?: SendOptions): Promise<void> {
    return this.#owner.subscribe(this, typeof topics === "string" ? [topics] : topics, options);
  }

  unsubscribe(topics: string | readonly string[], options?: SendOptions): Promise<void> {
    return this.#owner.unsubscribe(this, typeof topics === "string" ? [topics] : topics, options);
  }

  #exceptSelf(options: SendToManyOptions): SendToManyOptions {
    return { ...options, except: options.except ? [...options.except, this.id] : [this.id] };
  }

  /** Puts a frame into this tick's write. False, and the connection is closed as too slow, when its buffer is full. */
  enqueue(frame: Frame): boolean {
    if (!this.#open) return this.#refuse(frame);
    const buffered = this.bufferedAmount;
    if (buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes) {
      this.#tooSlow();
      return this.#refuse(frame);
    }
    if (this.#queue.length === 0) this.#owner.willFlush(this);
    this.#queue.push(frame);
    this.#queuedBytes += frame.byteLength;
    return true;
  }

  #refuse(frame: Frame): false {
    frame.refused++;
    return false;
  }

  /** Writes what this tick queued. */
  flush(): void {
    if (this.#queue.length === 0) return;
    const frames = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    const taken = this.#socket.send(frames);
    if (taken === frames.length) return;
    for (const frame of frames.slice(taken)) frame.refused++;
    this.#tooSlow();
  }

  /** Counts what this tick queued as refused: the connection will not write it any more. */
  #dropQueue(): void {
    for (const frame of this.#queue) frame.refused++;
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #tooSlow(): void {
    if (!this.#open) return;
    this.#closeSent = { code: CloseCode.SlowConsumer, reason: "reads too slowly" };
    // A close frame would wait behind the full buffer: the peer is not reading.
    this.#dropQueue();
    this.#leave();
    this.#socket.terminate();
  }

  close(code: number = CloseCode.Normal, reason = ""): void {
    checkClose(code, reason);
    if (!this.#open) return;
    this.flush();
    // The flush may have found the connection gone.
    if (!this.#open) return;
    this.#closeSent = { code, reason };
    this.#leave();
    this.#socket.close(code, reason);
    const timer: unknown = setTimeout(() => {
      if (!this.#ended) this.#socket.terminate();
    }, this.#owner.limits.closeTimeoutMs);
    unref(timer);
  }

  terminate(): void {
    if (this.#ended) return;
    this.#closeSent ??= { code: CloseCode.Abnormal, reason: "" };
    this.#dropQueue();
    this.#leave();
    this.#socket.terminate();
  }

  #leave(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#owner.left(this);
  }

  // ---- from the client ----

  /** Runs `onConnect` once `ready` settled, then lets the messages through that came meanwhile. */
  start(ready: Promise<unknown> | undefined): void {
    this.#busy = true;
    this.#await(ready ? ready.then(() => this.#connect()) : this.#connect());
  }

  #connect(): unknown {
    // Who is gone before it was connected is never shown to the application.
    this.#connected = this.#ended === undefined;
    return this.#connected ? this.#call(() => this.#session.onConnect?.(this)) : undefined;
  }

  message(data: string | Uint8Array): void {
    if (!this.#open) return;
    if (!this.#busy) {
      this.#handle(data);
      return;
    }
    const backlog = (this.#backlog ??= new Backlog());
    backlog.push(data);
    if (backlog.length < this.#owner.limits.maxBacklogMessages && backlog.bytes < this.#owner.limits.maxBacklogBytes) {
      return;
    }
    if (this.#socket.pause) this.#socket.pause();
    else this.close(CloseCode.PolicyViolation, "sends faster than it is served");
  }

  #handle(data: string | Uint8Array): void {
    if (!this.#session.onEvent) return;
    const result = this.#call(() => this.#session.onEvent?.(this, data));
    if (!isThenable(result)) return;
    this.#busy = true;
    this.#await(result);
  }

  /** Calls a handler; an error it throws is dealt with here. */
  #call(handler: () => unknown): unknown {
    try {
      return handler();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #await(result: unknown): void {
    if (!isThenable(result)) {
      this.#next();
      return;
    }
    Promise.resolve(result).then(
      () => this.#next(),
      (error: unknown) => {
        this.#failed(error);
        this.#next();
      },
    );
  }

  /** A handler settled: hands on what waited, until one has to be awaited again. */
  #next(): void {
    this.#busy = false;
    const backlog = this.#backlog;
    // Once this side has closed, what came before is not heard any more.
    while (backlog && backlog.length > 0 && !this.#busy && !this.#closeSent) this.#handle(backlog.shift());
    if (this.#busy) return;
    this.#backlog = undefined;
    if (this.#ended) this.#disconnected(this.#ended.code, this.#ended.reason);
    else if (backlog) this.#socket.resume?.();
  }

  #failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error("a handler threw what is not an Error", { cause });
    this.error(error);
    if (!(error instanceof MeshError)) this.close(CloseCode.InternalError, "internal error");
  }

  error(error: Error): void {
    if (!this.#session.onError) {
      this.#owner.report("a client failed", error);
      return;
    }
    try {
      const result = this.#session.onError(this, error);
      if (isThenable(result)) Promise.resolve(result).catch((late) => this.#owner.report("onError failed", late));
    } catch (thrown) {
      this.#owner.report("onError failed", thrown);
    }
  }

  /** The engine says that the connection is gone. */
  closed(code: number, reason: string): void {
    if (this.#ended) return;
    // Who closed first named code and reason; what the peer echoes of them differs from client to client.
    this.#ended = this.#closeSent ?? { code, reason };
    this.#dropQueue();
    this.#leave();
    this.#gone?.resolve();
    if (!this.#busy) this.#disconnected(this.#ended.code, this.#ended.reason);
  }

  /** Settles when the engine says that the connection is gone. */
  gone(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return (this.#gone ??= Promise.withResolvers()).promise;
  }

  #disconnected(code: number, reason: string): void {
    if (!this.#connected || !this.#session.onDisconnect) return;
    this.#busy = true;
    const result = this.#call(() => this.#session.onDisconnect?.(this, code, reason));
    if (isThenable(result)) Promise.resolve(result).catch((error: unknown) => this.#failed(error));
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Lets the process end although a timer waits, on the runtimes that would stay. */
function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null) (timer as { unref?: () => void }).unref?.();
}
