import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { CloseCode } from "../../src/base/close-code.ts";
import { take } from "../../src/base/rate.ts";
import { unref } from "../../src/base/tick.ts";
import type { Socket, SocketReceiver } from "../../src/client/socket.ts";
import type { Admission } from "../../src/door/admission.ts";
import type { Frame } from "../../src/send/frame.ts";
import { closeFrame } from "./close-frame.ts";
import { type FrameSink, readFrames, type Unfinished } from "./frame-reader.ts";
import { inflate, messageOf } from "./inflate.ts";
import type { Rules } from "./rules.ts";
import { giveTo, type StreamOwner } from "./stream-owner.ts";

const PING = Buffer.of(0x89, 0);
const PONG = 0x8a;

/** Messages go both ways. */
const OPEN = 0;
/** This side sent its close frame and waits for the peer's. */
const CLOSING = 1;
/** The peer is not heard any more. */
const DEAF = 2;

/**
 * A {@link Socket} over the stream of an upgraded connection, whose frames it reads and writes itself (RFC 6455).
 *
 * The connection is over for its receiver once both sides sent a close frame, or the peer broke a rule, ended its side or was
 * lost. The stream is ended then, and cut after `closeTimeoutMs` if the peer does not end it as well.
 */
export class FrameSocket implements Socket, FrameSink, StreamOwner {
  readonly #stream: Duplex;
  readonly #rules: Rules;
  #receiver: SocketReceiver | undefined = undefined;
  /** The part of a frame or a message that is not whole. */
  #unfinished: Unfinished | undefined = undefined;
  #phase = OPEN;
  #fragmentsFullAt = 0;
  #inflatedFullAt = 0;
  /** Cuts the stream if the peer does not end its side. */
  #deadline: ReturnType<typeof setTimeout> | undefined = undefined;

  private constructor(stream: Duplex, rules: Rules) {
    this.#stream = stream;
    this.#rules = rules;
  }

  /** Joins the hub with a connection whose 101 was written to `stream`, which is listened to; `early` holds the bytes that came before that. */
  static open(stream: Duplex, early: Buffer, admission: Admission, rules: Rules): void {
    const socket = new FrameSocket(stream, rules);
    giveTo(stream, socket);
    socket.#receiver = admission.open(socket);
    if (early.byteLength > 0) socket.read(early);
  }

  get bufferedAmount(): number {
    return this.#stream.writableLength;
  }

  send(frames: readonly Frame[]): number {
    if (this.#phase !== OPEN || !this.#stream.writable) return 0;
    this.#stream.write(this.#rules.wire.of(frames));
    return frames.length;
  }

  close(code: number, reason: string): void {
    if (this.#phase !== OPEN) return;
    this.#phase = CLOSING;
    this.#write(closeFrame(code, reason));
  }

  terminate(): void {
    this.#phase = DEAF;
    this.#stream.destroy();
  }

  ping(): void {
    if (this.#phase === OPEN) this.#write(PING);
  }

  pause(): void {
    if (this.#phase !== DEAF) this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #write(bytes: Buffer): void {
    if (this.#stream.writable) this.#stream.write(bytes);
  }

  // ---- from the stream ----

  /** Bytes arrived. */
  read(chunk: Buffer): void {
    if (this.#phase === DEAF) return;
    this.#unfinished = readFrames(chunk, this.#unfinished, this.#rules.limits.maxMessageBytes, this);
    this.#receiver?.handled();
  }

  /** The stream has an end: the peer's, an error, or that it was destroyed. */
  lost(): void {
    this.#gone(CloseCode.Abnormal, "");
  }

  /** The stream was closed; bytes that came while reading was paused are still in it. */
  closed(): void {
    clearTimeout(this.#deadline);
    const rest = this.#phase === DEAF ? null : (this.#stream.read() as Buffer | null);
    if (rest !== null) this.read(rest);
    this.lost();
  }

  // ---- from the frames ----

  message(data: string | Uint8Array): void {
    this.#receiver?.message(data, true);
  }

  pinged(payload: Uint8Array): void {
    // A peer that does not read gets no more pongs: it may be answered the latest ping alone (RFC 6455 section 5.5.3).
    const held = this.#stream.writableLength + payload.byteLength;
    if (this.#phase === OPEN && held < this.#rules.limits.maxBufferedBytes) this.#write(pongFrame(payload));
    this.#receiver?.control();
  }

  ponged(): void {
    this.#receiver?.control();
  }

  fragments(count: number): boolean {
    const fullAt = take(this.#rules.fragments, this.#fragmentsFullAt, performance.now(), count);
    if (fullAt !== undefined) this.#fragmentsFullAt = fullAt;
    return fullAt !== undefined;
  }

  get inflates(): boolean {
    return this.#rules.compressed;
  }

  inflate(bytes: Uint8Array, binary: boolean): string | Uint8Array | number {
    const { limits: { maxMessageBytes }, inflated: pace } = this.#rules;
    const inflated = inflate(bytes, maxMessageBytes);
    if (typeof inflated === "number") return inflated;
    const more = Math.max(0, inflated.byteLength - bytes.byteLength);
    const fullAt = take(pace, this.#inflatedFullAt, performance.now(), more);
    if (fullAt === undefined) return CloseCode.PolicyViolation;
    this.#inflatedFullAt = fullAt;
    return messageOf(inflated, binary);
  }

  peerClosed(code: number, reason: string): void {
    this.#finish(code, reason);
  }

  fault(code: number): void {
    this.#finish(code, "");
  }

  /** Sends the close frame, unless one was sent, and ends the stream. */
  #finish(code: number, reason: string): void {
    // Answers to the earlier messages go out first.
    this.#receiver?.handled();
    // The answers may have found the connection gone.
    if (this.#phase === DEAF) return;
    this.close(code, reason);
    this.#gone(code, reason);
  }

  /** Ends the stream, and tells the receiver if it was not told. */
  #gone(code: number, reason: string): void {
    this.#phase = DEAF;
    this.#unfinished = undefined;
    if (!this.#stream.writableEnded && !this.#stream.destroyed) this.#end();
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.closed(code, reason);
  }

  /** Ends the stream, and reads and drops the rest that the peer sends, whose end comes after that. */
  #end(): void {
    const stream = this.#stream;
    this.#deadline = setTimeout(() => stream.destroy(), this.#rules.limits.closeTimeoutMs);
    unref(this.#deadline);
    stream.end();
    stream.resume();
  }
}

function pongFrame(payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(2 + payload.byteLength);
  frame[0] = PONG;
  frame[1] = payload.byteLength;
  frame.set(payload, 2);
  return frame;
}
