import type { Frame } from "../../src/frame.ts";

/** Frames as they follow each other on the wire. */
export function concat(frames: readonly Frame[]): Uint8Array {
  let bytes = 0;
  for (const frame of frames) bytes += frame.byteLength;
  const wire = new Uint8Array(bytes);
  let offset = 0;
  for (const frame of frames) {
    wire.set(frame.wire, offset);
    offset += frame.byteLength;
  }
  return wire;
}
