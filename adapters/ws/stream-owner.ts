import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** The object that a stream's events go to: first an upgrade that is being decided, then its connection. */
export interface StreamOwner {
  /** Bytes arrived. */
  read(chunk: Buffer): void;
  /** The peer's side ended, or the stream failed. */
  lost(): void;
  /** The stream was closed. */
  closed(): void;
}

/** Of each stream its owner. All streams share the same four listeners, which stay for the life of the stream. */
const OWNER = Symbol("meshsocket");

type Owned = Duplex & { [OWNER]?: StreamOwner | undefined };

/** Takes over the errors of a stream, of which one without a listener would end the process. */
export function guard(stream: Duplex): void {
  stream.on("error", onError);
}

/** Sends the events of a guarded stream to its first owner. */
export function listenTo(stream: Duplex, owner: StreamOwner): void {
  (stream as Owned)[OWNER] = owner;
  stream.on("data", onData);
  stream.on("end", onEnd);
  stream.on("close", onClose);
}

/** Sends the events of a stream that is listened to to another owner; undefined drops them. */
export function giveTo(stream: Duplex, owner: StreamOwner | undefined): void {
  (stream as Owned)[OWNER] = owner;
}

function onData(this: Owned, chunk: Buffer): void {
  this[OWNER]?.read(chunk);
}

function onEnd(this: Owned): void {
  this[OWNER]?.lost();
}

function onError(this: Owned): void {
  this[OWNER]?.lost();
}

function onClose(this: Owned): void {
  this[OWNER]?.closed();
}
