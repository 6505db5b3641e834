import { Buffer } from "node:buffer";

/** A text message as a client sends it: one final, masked frame. The mask is all zeros, which the RFC allows and which costs nothing to apply. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = payload.byteLength;
  const head = length < 126
    ? Buffer.from([0x81, 0x80 | length])
    : Buffer.from([0x81, 0xfe, length >> 8, length & 0xff]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** Frames no longer than this are the server's pings and greetings, not messages. */
const SHORTEST_MESSAGE = 32;

/** Counts the whole messages in the bytes of a server, by their lengths alone. */
export class FrameCounter {
  /** Payload bytes of the present frame that have not come yet. */
  #left = 0;
  #counts = false;
  /** The start of a header that a chunk ended in. */
  #head: number[] = [];

  /** How many messages ended in this chunk. */
  count(chunk: Uint8Array, from: number, end: number): number {
    let frames = 0;
    let at = from;
    while (at < end) {
      if (this.#left === 0) {
        at = this.#header(chunk, at, end);
        if (this.#left === 0) continue;
      }
      const step = Math.min(this.#left, end - at);
      at += step;
      this.#left -= step;
      if (this.#left === 0 && this.#counts) frames++;
    }
    return frames;
  }

  /** Reads a header, whole or in parts; returns where it ends. */
  #header(chunk: Uint8Array, at: number, end: number): number {
    const short = (chunk[at + 1] as number) & 0x7f;
    // Nearly always: a whole header of the short form.
    if (this.#head.length === 0 && at + 2 <= end && short < 126) {
      this.#begin(short);
      return at + 2;
    }
    let next = at;
    while (next < end) {
      this.#head.push(chunk[next++] as number);
      const length = lengthOf(this.#head);
      if (length === undefined) continue;
      this.#head = [];
      this.#begin(length);
      break;
    }
    return next;
  }

  #begin(length: number): void {
    this.#left = length;
    this.#counts = length >= SHORTEST_MESSAGE;
  }
}

/** The payload length that a header says; undefined while the header is not whole. */
function lengthOf(head: readonly number[]): number | undefined {
  if (head.length < 2) return undefined;
  const short = (head[1] ?? 0) & 0x7f;
  const bytes = short < 126 ? 0 : short === 126 ? 2 : 8;
  if (head.length < 2 + bytes) return undefined;
  return bytes === 0 ? short : head.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
}
