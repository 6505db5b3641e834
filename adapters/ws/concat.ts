import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { Frame } from "../../src/send/frame.ts";
import { writeHeader } from "../../src/send/frame-header.ts";

/** A burst up to this size may stay in memory until the next one: forgetting it costs a task for every turn. */
const MAX_KEPT_BYTES = 16_384;

/** The last burst: the sockets that share it are written one after the other. */
let lastFrames: readonly Frame[] | undefined;
let lastBytes: Buffer = Buffer.alloc(0);

/** Frames as they follow each other on the wire; made once for the sockets that get the same array in one turn. */
export function concat(frames: readonly Frame[]): Buffer {
  if (frames === lastFrames) return lastBytes;
  lastFrames = frames;
  lastBytes = join(frames);
  if (lastBytes.byteLength > MAX_KEPT_BYTES) setImmediate(forget);
  return lastBytes;
}

function forget(): void {
  lastFrames = undefined;
  lastBytes = Buffer.alloc(0);
}

function join(frames: readonly Frame[]): Buffer {
  let bytes = 0;
  for (const frame of frames) bytes += frame.byteLength;
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const frame of frames) offset = put(frame, joined, offset);
  return joined;
}

/** Writes a frame in its form on the wire; returns where the next one goes. */
function put({ binary, messageBytes, raw }: Frame, into: Buffer, at: number): number {
  const start = writeHeader(into, at, binary, messageBytes);
  if (typeof raw === "string") into.write(raw, start);
  else into.set(raw, start);
  return start + messageBytes;
}
