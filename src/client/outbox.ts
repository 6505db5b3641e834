import type { Counters } from "../base/counters/counters.ts";
import { Burst } from "../send/burst.ts";
import type { Frame } from "../send/frame.ts";
import type { Limits } from "../base/limits.ts";
import type { Ledger } from "./resume/ledger.ts";
import type { LostReason } from "./resume/resume.ts";
import type { Recorder } from "../base/watch/recorder.ts";
import type { Socket } from "./socket.ts";
import type { Tapped } from "./watch/tapped.ts";

/** The frames that this tick sends to one client, and their one write. */
export class Outbox<Own extends OutboxClient> {
  readonly #client: Own;
  readonly #owner: OutboxOwner<Own>;
  /** Messages that were written, or are held, so far. */
  sent = 0;
  /** The number of the last fan-out of which all was handed on to the client. */
  handed = 0;
  /** Undefined while the client has no connection. */
  #socket: Socket | undefined = undefined;
  #burst: Burst | undefined = undefined;
  /** The client's messages are being handled. */
  #hearing = false;
  /** The burst began with an answer to one of them. */
  #answering = false;
  /** The bytes that the engine still held when the burst began. */
  #heldBytes = 0;

  constructor(client: Own, owner: OutboxOwner<Own>) {
    this.#client = client;
    this.#owner = owner;
  }

  /** Frames go out over this socket from now on. */
  attach(socket: Socket): void {
    this.#socket = socket;
  }

  /** The connection is gone: frames are held for the next one. */
  detach(): void {
    this.#socket = undefined;
    this.#hearing = false;
    if (!this.#answering) return;
    this.#answering = false;
    this.#owner.willFlush(this.#client);
  }

  /** Bytes that the client has not read: those of this tick, and those that the engine holds. */
  get bufferedAmount(): number {
    this.catchUp();
    return this.#queuedAndHeld();
  }

  /**
   * Whether the client has not read so much that of some topics it gets only the newest message: more than `limits.maxLagBytes`, or so
   * much that `bytes` more would not fit. A client that is away lags behind.
   */
  lags(bytes: number): boolean {
    if (!this.#client.open) return false;
    if (this.#socket === undefined) return true;
    const { maxBufferedBytes, maxLagBytes } = this.#owner.limits;
    const buffered = this.#queuedAndHeld();
    if (buffered > maxLagBytes || (buffered > 0 && buffered + bytes > maxBufferedBytes)) return true;
    const { v1 } = this.#client;
    return v1 !== undefined && (v1.ledger.bytes > maxLagBytes || !v1.ledger.complete);
  }

  /** How many frames this tick's write has so far. */
  get queued(): number {
    return this.#burst?.length ?? 0;
  }

  /** Puts a frame into this tick's write. False if the buffer is full: the client is then closed as too slow. */
  enqueue(frame: Frame): boolean {
    this.catchUp();
    return this.append(frame);
  }

  /** {@link Outbox.enqueue} for a frame of a fan-out when its turn has come. */
  append(frame: Frame): boolean {
    if (!this.#client.open) return this.#refuse(frame);
    const burst = this.#burst;
    const socket = this.#socket;
    if (socket === undefined) return this.#hold(frame);
    if (burst === undefined) this.#look(socket);
    const buffered = this.#heldBytes + (burst === undefined ? 0 : burst.byteLength);
    if (buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes && this.#isFull(frame)) {
      this.#owner.recorder.record("dropped", this.#client, `its buffer of ${buffered} bytes was full`);
      if (!this.#owner.dropsSlow) this.#client.tooSlow();
      return this.#refuse(frame);
    }
    if (burst === undefined) this.#beginBurst();
    this.#burst = Burst.add(burst, frame);
    return true;
  }

  /** Holds a frame for a client that is away. False if there is no room: the client is then given up. */
  #hold(frame: Frame): boolean {
    const { length = 0, byteLength = 0 } = this.#burst ?? {};
    if (!this.#client.v1?.ledger.hasRoom(length + 1, byteLength + frame.byteLength)) {
      this.#client.lose("overflow");
      return this.#refuse(frame);
    }
    if (this.#burst === undefined) this.#beginBurst();
    this.#burst = Burst.add(this.#burst, frame);
    return true;
  }

  /** {@link Outbox.append} for each frame of a burst, at the cost of one if {@link Outbox.takeBurst} takes it. */
  enqueueBurst(burst: Burst, ends = false): void {
    if (this.takeBurst(burst, ends)) return;
    for (const frame of burst.frames) this.append(frame);
  }

  /**
   * Takes a burst as this tick's write; false, and nothing is done, if there are other frames already, or no room for
   * all of it. If the tick `ends` with it, the burst is written at once.
   */
  takeBurst(burst: Burst, ends: boolean): boolean {
    const socket = this.#socket;
    if (socket === undefined || !this.#client.open || this.#burst !== undefined) return false;
    this.#look(socket);
    if (this.#heldBytes + burst.byteLength > this.#owner.limits.maxBufferedBytes) return false;
    if (ends) this.#write(burst);
    else {
      this.#owner.willFlush(this.#client);
      this.#burst = burst;
    }
    return true;
  }

  /** Takes over the frames that this tick sent to a group of this client: they come before those that follow. */
  catchUp(): void {
    this.#owner.handOn(this.#client);
  }

  /** Writes the frames of this tick, with those that it sent to a group of this client. */
  flushAll(): void {
    this.catchUp();
    this.flush();
  }

  /** Writes the frames of this tick. */
  flush(): void {
    const burst = this.#burst;
    if (burst === undefined) return;
    this.#burst = undefined;
    this.#write(burst);
  }

  #write(burst: Burst): void {
    this.sent += burst.length;
    if (this.#client.tap !== undefined) this.#client.tap.sent(burst.frames);
    const { v1 } = this.#client;
    const frames = v1 === undefined ? burst.frames : v1.keep(burst);
    const taken = this.#socket?.send(frames) ?? 0;
    if (taken >= burst.length) return this.#sent(burst);
    const rest = burst.frames.slice(taken);
    if (v1 !== undefined) return this.#hasKept(rest);
    for (const frame of rest) this.#refuse(frame);
    this.#client.tooSlow();
  }

  /** Frames that no socket took are held for the next connection. */
  #hasKept(frames: readonly Frame[]): void {
    for (const frame of frames) frame.held++;
    if (this.#socket) this.#client.dead();
  }

  /** Writes frames that are neither queued nor kept. A client that does not read is cut; one that may miss messages, at twice the bound. */
  writeNow(frames: readonly Frame[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const { dropsSlow, limits: { maxBufferedBytes } } = this.#owner;
    if (socket.bufferedAmount > maxBufferedBytes * (dropsSlow ? 2 : 1)) this.#client.tooSlow();
    else if (socket.send(frames) < frames.length) this.#client.dead();
  }

  /** Counts the frames of this tick as refused: they will not be written. */
  drop(): void {
    this.catchUp();
    for (const frame of this.#burst?.frames ?? []) this.#refuse(frame);
    this.#burst = undefined;
  }

  /** The handlers run: their answers wait for {@link Outbox.heard}. */
  hears(): void {
    this.#hearing = true;
  }

  /** All messages that came at once were handled: writes their answers. */
  heard(): void {
    this.#hearing = false;
    if (!this.#answering) return;
    this.#answering = false;
    this.flush();
  }

  /** An answer leaves as soon as the messages that came with its own were handled; other frames at the end of the tick. */
  #beginBurst(): void {
    if (this.#hearing) this.#answering = true;
    else this.#owner.willFlush(this.#client);
  }

  #sent({ byteLength, length }: Burst): void {
    const { counters } = this.#owner;
    counters.sent += length;
    counters.sentBytes += byteLength;
  }

  #refuse(frame: Frame): false {
    frame.refused++;
    this.#owner.counters.dropped++;
    return false;
  }

  /** Sees what the engine still holds of earlier ticks. */
  #look({ bufferedAmount }: Socket): void {
    this.#heldBytes = bufferedAmount;
    const { counters, limits } = this.#owner;
    if (bufferedAmount > 0) counters.buffers.add(bufferedAmount / limits.maxBufferedBytes);
  }

  /** Looks again: the engine may have written since the burst began. */
  #isFull(frame: Frame): boolean {
    const buffered = this.#queuedAndHeld();
    return buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes;
  }

  #queuedAndHeld(): number {
    return (this.#burst?.byteLength ?? 0) + (this.#socket?.bufferedAmount ?? 0);
  }
}

/** The client of an {@link Outbox}. */
export interface OutboxClient {
  readonly id: string;
  readonly open: boolean;
  /** Undefined while nobody taps it. */
  readonly tap: Tapped | undefined;
  /** Of a client that speaks `meshsocket.v1`. */
  readonly v1: OutboxProtocol | undefined;
  /** The client does not read. */
  tooSlow(): void;
  /** The connection takes nothing. */
  dead(): void;
  /** Gives up a client that is away. */
  lose(reason: LostReason): void;
}

/** Dependencies of {@link Outbox}. */
export interface OutboxOwner<Own> {
  readonly recorder: Recorder;
  readonly limits: Readonly<Limits>;
  readonly counters: Counters;
  /** Whether a client that reads too slowly stays and misses messages, rather than being closed. */
  readonly dropsSlow: boolean;
  /** Gives a client what this tick sent to a group of it. */
  handOn(client: Own): void;
  /** The client has frames for the end of this tick. */
  willFlush(client: Own): void;
}

/** The part of `meshsocket.v1` that has to do with what is sent. */
export interface OutboxProtocol {
  readonly ledger: Ledger;
  /** Keeps the frames of this tick, and returns what is to be written: those, and an acknowledgement if one is due. */
  keep(burst: Burst): readonly Frame[];
}
