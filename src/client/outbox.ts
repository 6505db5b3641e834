import { Burst } from "../send/burst.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { Frame } from "../send/frame.ts";
import type { Socket } from "./socket.ts";

/** The frames that this tick sends to one client, and their one write. */
export class Outbox<Data> {
  readonly #connection: Connection<Data>;
  readonly #owner: ConnectionOwner<Data>;
  readonly #socket: Socket;
  #burst: Burst | undefined = undefined;
  /** The client's messages are being handled. */
  #hearing = false;
  /** The burst began with an answer to one of them. */
  #answering = false;
  /** The bytes that the engine still held when the burst began. */
  #heldBytes = 0;

  constructor(connection: Connection<Data>, owner: ConnectionOwner<Data>, socket: Socket) {
    this.#connection = connection;
    this.#owner = owner;
    this.#socket = socket;
  }

  /** Bytes that the client has not read: those of this tick, and those that the engine holds. */
  get bufferedAmount(): number {
    this.catchUp();
    return this.#queuedAndHeld();
  }

  /** Puts a frame into this tick's write. False if the buffer is full: the client is then closed as too slow. */
  enqueue(frame: Frame): boolean {
    this.catchUp();
    return this.append(frame);
  }

  /** {@link Outbox.enqueue} for a frame of a fan-out when its turn has come. */
  append(frame: Frame): boolean {
    if (!this.#connection.open) return refuse(frame);
    const burst = this.#burst;
    if (burst === undefined) this.#heldBytes = this.#socket.bufferedAmount;
    const buffered = this.#heldBytes + (burst === undefined ? 0 : burst.byteLength);
    if (buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes && this.#isFull(frame)) {
      if (!this.#owner.dropsSlow) this.#connection.tooSlow();
      return refuse(frame);
    }
    if (burst === undefined) this.#beginBurst();
    this.#burst = Burst.add(burst, frame);
    return true;
  }

  /** {@link Outbox.append} for each frame of a burst, at the cost of one if there is room for all. */
  enqueueBurst(burst: Burst): void {
    if (this.#connection.open && this.#burst === undefined) {
      this.#heldBytes = this.#socket.bufferedAmount;
      if (this.#heldBytes + burst.byteLength <= this.#owner.limits.maxBufferedBytes) {
        this.#owner.willFlush(this.#connection);
        this.#burst = burst;
        return;
      }
    }
    for (const frame of burst.frames) this.append(frame);
  }

  /** Takes over the frames that this tick sent to a group of this client: they come before those that follow. */
  catchUp(): void {
    this.#owner.fanOut?.handOn(this.#connection);
  }

  /** Writes the frames of this tick. */
  flush(): void {
    if (this.#burst === undefined) return;
    const { frames } = this.#burst;
    this.#burst = undefined;
    const taken = this.#socket.send(frames);
    if (taken === frames.length) return;
    for (const frame of frames.slice(taken)) refuse(frame);
    this.#connection.tooSlow();
  }

  /** Counts the frames of this tick as refused: they will not be written. */
  drop(): void {
    this.catchUp();
    for (const frame of this.#burst?.frames ?? []) refuse(frame);
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
    else this.#owner.willFlush(this.#connection);
  }

  /** Looks again: the engine may have written since the burst began. */
  #isFull(frame: Frame): boolean {
    const buffered = this.#queuedAndHeld();
    return buffered > 0 && buffered + frame.byteLength > this.#owner.limits.maxBufferedBytes;
  }

  #queuedAndHeld(): number {
    return (this.#burst?.byteLength ?? 0) + this.#socket.bufferedAmount;
  }
}

function refuse(frame: Frame): false {
  frame.refused++;
  return false;
}
