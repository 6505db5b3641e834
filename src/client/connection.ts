import type { Burst } from "../send/burst.ts";
import { checkClose } from "../base/check.ts";
import type { Client } from "./client.ts";
import { CloseCode } from "../base/close-code.ts";
import type { ConnectionOwner, Identity } from "./connection-owner.ts";
import { cutAfter } from "./cut-after.ts";
import { exceptAlso } from "../send/except.ts";
import type { Frame, Message } from "../send/frame.ts";
import { type End, Handlers } from "./handlers.ts";
import { Liveness } from "./liveness.ts";
import { Outbox } from "./outbox.ts";
import { Pace } from "./pace.ts";
import { REQUEST_PROTOCOL, Requests } from "./requests.ts";
import type { Socket, SocketReceiver } from "./socket.ts";
import { TextPinged } from "./text-ping.ts";
import type { Delivery, SendOptions, SendToManyOptions } from "../send/verbs.ts";

const NO_TOPICS: ReadonlySet<string> = new Set();

/**
 * One connection and its {@link Client}: from the upgrade to the engine's word that it is gone.
 *
 * Frames leave through its {@link Outbox}, messages reach the application through its {@link Handlers}.
 */
export class Connection<Data = unknown> implements Client<Data>, SocketReceiver {
  readonly id: string;
  /** The number of the claim by which this connection has its id: of two connections the larger is the newer. */
  claim: bigint;
  data: Data;
  readonly url: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  /** The JSON that other clients may see of this one; "" for none. */
  readonly info: string;
  /** Filled by the topic index; undefined while there are none. */
  topicSet: Set<string> | undefined;
  readonly liveness: Liveness;
  readonly #pace: Pace;
  readonly #outbox: Outbox<Data>;
  readonly #owner: ConnectionOwner<Data>;
  readonly #socket: Socket;
  readonly #handlers: Handlers<Data>;
  #open = true;
  #ended: End | undefined;
  #requests: Requests | undefined;
  #gone: PromiseWithResolvers<void> | undefined;
  /** How this side closed, if it did so first. */
  #closeSent: End | undefined;
  readonly #textPinged: TextPinged | undefined;

  constructor(owner: ConnectionOwner<Data>, socket: Socket, identity: Identity<Data>) {
    this.liveness = new Liveness(owner.limits, performance.now());
    this.#pace = new Pace(owner.limits);
    this.#outbox = new Outbox<Data>(this, owner, socket);
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
    return this.#outbox.bufferedAmount;
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

  /** Puts a frame into this tick's write. False if the buffer is full: the client is then closed as too slow. */
  enqueue(frame: Frame): boolean {
    return this.#outbox.enqueue(frame);
  }

  /** {@link Connection.enqueue} for a frame of a fan-out when its turn has come. */
  append(frame: Frame): boolean {
    return this.#outbox.append(frame);
  }

  /** {@link Connection.append} for each frame of a burst. */
  enqueueBurst(burst: Burst): void {
    this.#outbox.enqueueBurst(burst);
  }

  /** Writes the frames of this tick. */
  flush(): void {
    this.#outbox.flush();
  }

  /** Cuts a client that does not read. */
  tooSlow(): void {
    if (!this.#open) return;
    this.#closeSent = { code: CloseCode.SlowConsumer, reason: "reads too slowly" };
    // A close frame would wait behind the full buffer: the peer is not reading.
    this.#outbox.drop();
    this.#leave();
    this.#socket.terminate();
  }

  close(code: number = CloseCode.Normal, reason = ""): void {
    checkClose(code, reason);
    if (!this.#open) return;
    this.#outbox.catchUp();
    this.#outbox.flush();
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
    this.#outbox.drop();
    this.#leave();
    this.#socket.terminate();
  }

  #leave(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#requests?.end();
    // Once this side has closed, messages that wait are not handled.
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
    if (!this.#open) return;
    const now = performance.now();
    this.liveness.message(now);
    if (!this.#inPace(this.#pace.message(now)) || this.#requests?.take(data)) return;
    this.#outbox.hears();
    this.#handlers.message(data);
    if (!more) this.handled();
  }

  handled(): void {
    this.#outbox.heard();
  }

  control(): void {
    if (!this.#open) return;
    const now = performance.now();
    this.liveness.control(now);
    this.#inPace(this.#pace.control(now));
  }

  #inPace(inPace: boolean): boolean {
    if (!inPace) this.close(CloseCode.PolicyViolation, "sends too fast");
    return inPace;
  }

  /** Looks after the connection; returns the milliseconds until it is to be done again. */
  beat(now: number): number {
    if (this.#handlers.paused) this.liveness.deaf(now);
    const next = this.liveness.beat(now, this.#textPinged ?? this.#socket);
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
    // The side that closed first named code and reason; the peer's echo differs from client to client.
    this.#ended = this.#closeSent ?? { code, reason };
    this.#outbox.drop();
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
