import { Burst } from "../send/burst.ts";
import { checkClose } from "../base/check.ts";
import type { Client } from "./client.ts";
import { CloseCode } from "../base/close-code.ts";
import type { ConnectionOwner, Identity } from "./connection-owner.ts";
import { cutAfter } from "./cut-after.ts";
import { exceptAlso } from "../send/except.ts";
import type { Frame, Message } from "../send/frame.ts";
import { type End, Handlers } from "./handlers.ts";
import { Pulse } from "./pulse.ts";
import { REQUEST_PROTOCOL, Requests } from "./requests.ts";
import type { Socket, SocketReceiver } from "./socket.ts";
import { TextPinged } from "./text-ping.ts";
import type { Delivery, SendOptions, SendToManyOptions } from "../send/verbs.ts";

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
  /** What others may know of the client, as JSON; "" for nothing. */
  readonly info: string;
  /** Filled by the topic index; undefined while there are none. */
  topicSet: Set<string> | undefined;
  readonly pulse: Pulse;
  readonly #owner: ConnectionOwner<Data>;
  readonly #socket: Socket;
  readonly #handlers: Handlers<Data>;
  #open = true;
  /** What this tick sends. */
  #burst: Burst | undefined = undefined;
  /** What the client just sent is being handled. */
  #hearing = false;
  /** The burst began with what a handler answered to it. */
  #answering = false;
  /** What the engine still held when the burst began. */
  #heldBytes = 0;
  #ended: End | undefined;
  #requests: Requests | undefined;
  #gone: PromiseWithResolvers<void> | undefined;
  /** How this side closed, if it did so first. */
  #closeSent: End | undefined;
  readonly #textPinged: TextPinged | undefined;

  constructor(owner: ConnectionOwner<Data>, socket: Socket, identity: Identity<Data>) {
    this.pulse = new Pulse(owner.limits, performance.now());
    this.#owner = owner;
    this.#socket = socket;
    this.#handlers = new Handlers<Data>(this, identity.session, owner, socket);
    this.id = identity.id;
    this.claim = identity.claim;
    this.data = identity.session.data as Data;
    this.url = identity.url;
    this.remoteAddress = identity.remoteAddress;
    this.protocol = identity.protocol;
    this.info = identity.info;
    this.#textPinged = TextPinged.of(socket, identity.protocol, identity.session.textPing);
  }

  get open(): boolean {
    return this.#open;
  }

  get bufferedAmount(): number {
    this.#catchUp();
    return (this.#burst?.byteLength ?? 0) + this.#socket.bufferedAmount;
  }

  /** Whether a newer connection took the id. */
  get replaced(): boolean {
    return this.#closeSent?.code === CloseCode.Replaced;
  }

  get topics(): ReadonlySet<string> {
    return this.topicSet ?? NO_TOPICS;
  }

  // ---- towards the client ----

  emit(message: Message, options?: SendOptions): Promise<boolean> {
    return this.#owner.send(this, message, options);
  }

  request(message: Message, options?: SendOptions): Promise<string | Uint8Array> {
    return this.#owner.request(this, message, options);
  }

  broadcast(message: Message, options: SendToManyOptions = {}): Promise<Delivery> {
    return this.#owner.broadcast(message, exceptAlso(options, this.id));
  }

  publish(topic: string, message: Message, options: SendToManyOptions = {}): Promise<Delivery> {
    return this.#owner.publish(topic, message, exceptAlso(options, this.id));
  }

  subscribe(topics: string | readonly string[], options?: SendOptions): Promise<void> {
    return this.#owner.subscribe(this, typeof topics === "string" ? [topics] : topics, options);
  }

  unsubscribe(topics: string | readonly string[], options?: SendOptions): Promise<void> {
    return this.#owner.unsubscribe(this, typeof topics === "string" ? [topics] : topics, options);
  }

  /** Puts a frame into this tick's write. False, and the connection is closed as too slow, when its buffer is full. */
  enqueue(frame: Frame): boolean {
    this.#catchUp();
    return this.append(frame);
  }

  /** {@link Connection.enqueue} of what was sent to a whole group, when its turn has come. */
  append(frame: Frame): boolean {
    if (!this.#open) return this.#refuse(frame);
    const burst = this.#burst;
    if (burst === undefined) this.#heldBytes = this.#socket.bufferedAmount;
    const buffered = this.#heldBytes + (burst === undefined ? 0 : burst.byteLength);
    if (buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes && this.#isFull(frame)) {
      if (!this.#owner.dropsSlow) this.#tooSlow();
      return this.#refuse(frame);
    }
    if (burst === undefined) this.#beginBurst();
    this.#burst = Burst.add(burst, frame);
    return true;
  }

  /** An answer leaves when all that came from its client at once was handled, while the socket is at hand; the rest at the end of the tick. */
  #beginBurst(): void {
    if (this.#hearing) this.#answering = true;
    else this.#owner.willFlush(this);
  }

  /** {@link Connection.append} for each frame of a burst, at the cost of one where there is room for all. */
  enqueueBurst(burst: Burst): void {
    if (this.#open && this.#burst === undefined) {
      this.#heldBytes = this.#socket.bufferedAmount;
      if (this.#heldBytes + burst.byteLength <= this.#owner.limits.maxBufferedBytes) {
        this.#owner.willFlush(this);
        this.#burst = burst;
        return;
      }
    }
    for (const frame of burst.frames) this.append(frame);
  }

  /** Takes over what this tick sent to a group that the connection belongs to: it comes before what follows. */
  #catchUp(): void {
    this.#owner.fanOut?.handOn(this);
  }

  /** Looks again: the engine may have written since the burst began. */
  #isFull(frame: Frame): boolean {
    const buffered = (this.#burst?.byteLength ?? 0) + this.#socket.bufferedAmount;
    return buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes;
  }

  #refuse(frame: Frame): false {
    frame.refused++;
    return false;
  }

  /** Writes what this tick queued. */
  flush(): void {
    if (this.#burst === undefined) return;
    const { frames } = this.#burst;
    this.#burst = undefined;
    const taken = this.#socket.send(frames);
    if (taken === frames.length) return;
    for (const frame of frames.slice(taken)) frame.refused++;
    this.#tooSlow();
  }

  /** Counts what this tick queued as refused: the connection will not write it any more. */
  #dropQueue(): void {
    this.#catchUp();
    for (const frame of this.#burst?.frames ?? []) frame.refused++;
    this.#burst = undefined;
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
    this.#catchUp();
    this.flush();
    // The flush may have found the connection gone.
    if (!this.#open) return;
    this.#closeSent = { code, reason };
    this.#leave();
    this.#socket.close(code, reason);
    cutAfter(this.#owner.limits.closeTimeoutMs, this.#socket, () => this.#ended !== undefined);
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
    this.#requests?.end();
    // Once this side has closed, what came before is not heard any more.
    if (this.#closeSent) this.#handlers.silence();
    this.#owner.left(this);
  }

  // ---- from the client ----

  /** Runs `onConnect` once `ready` settled, then lets the messages through that came meanwhile. */
  start(ready: Promise<unknown> | undefined): void {
    this.#handlers.start(ready);
  }

  message(data: string | Uint8Array, more = false): void {
    if (data === this.#textPinged?.pong) return this.control();
    if (!this.#open || !this.#inPace(this.pulse.message(performance.now()))) return;
    if (this.#requests?.take(data)) return;
    this.#hearing = true;
    this.#handlers.message(data);
    if (!more) this.handled();
  }

  handled(): void {
    this.#hearing = false;
    if (!this.#answering) return;
    this.#answering = false;
    this.flush();
  }

  control(): void {
    if (this.#open) this.#inPace(this.pulse.control(performance.now()));
  }

  #inPace(inPace: boolean): boolean {
    if (!inPace) this.close(CloseCode.PolicyViolation, "sends too fast");
    return inPace;
  }

  /** Looks after the connection; returns the milliseconds until it is to be done again. */
  beat(now: number): number {
    if (this.#handlers.paused) this.pulse.deaf(now);
    const next = this.pulse.beat(now, this.#textPinged ?? this.#socket);
    if (typeof next === "number") return next;
    if (next.code === CloseCode.Abnormal) this.terminate();
    else this.close(next.code, next.reason);
    return Infinity;
  }

  /** Whether the client can be asked: it speaks {@link REQUEST_PROTOCOL}. */
  get askable(): boolean {
    return this.protocol === REQUEST_PROTOCOL;
  }

  /** Sends a request and waits for its reply; the errors are those of {@link Requests.ask}. */
  ask(payload: Frame, timeoutMs: number): Promise<string | Uint8Array> {
    this.#requests ??= new Requests(this.#owner.limits.maxRequestsPerClient);
    return this.#requests.ask(payload, timeoutMs, (frame) => this.enqueue(frame));
  }

  error(error: Error): void {
    this.#handlers.error(error);
  }

  /** The engine says that the connection is gone. */
  closed(code: number, reason: string): void {
    if (this.#ended) return;
    // Who closed first named code and reason; what the peer echoes of them differs from client to client.
    this.#ended = this.#closeSent ?? { code, reason };
    this.#dropQueue();
    this.#leave();
    this.#gone?.resolve();
    this.#handlers.ended(this.#ended);
  }

  /** Settles when the engine says that the connection is gone. */
  gone(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return (this.#gone ??= Promise.withResolvers()).promise;
  }
}
