import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { Frame } from "../../src/frame.ts";

/** The last burst: the sockets that share it are written one after the other. */
let lastFrames: readonly Frame[] | undefined;
let lastBytes: Buffer = Buffer.alloc(0);

/** Frames as they follow each other on the wire; made once for the sockets that get the same array in one turn. */
export function concat(frames: readonly Frame[]): Buffer {
  if (frames === lastFrames) return lastBytes;
  // What nobody will write again must not stay in memory.
  if (lastFrames === undefined) setImmediate(forget);
  lastFrames = frames;
  lastBytes = join(frames);
  return lastBytes;
}

function forget(): void {
  lastFrames = undefined;
  lastBytes = Buffer.alloc(0);
}

function join(frames: readonly Frame[]): Buffer {
  const [first] = frames;
  if (first && frames.length === 1) {
    const { bytes, headerBytes, byteLength } = first;
    return Buffer.from(bytes.buffer, bytes.byteOffset - headerBytes, byteLength);
  }
  let bytes = 0;
  for (const frame of frames) bytes += frame.byteLength;
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const frame of frames) {
    joined.set(frame.wire, offset);
    offset += frame.byteLength;
  }
  return joined;
}
