import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { Frame } from "../../src/send/frame.ts";
import { headerBytes, writeHeader } from "../../src/send/frame-header.ts";
import type { Deflater } from "./deflate.ts";

/** A burst up to this size may stay in memory until the next one: forgetting it costs a task for every turn. */
const MAX_KEPT_BYTES = 16_384;
/** The first reserved bit of a header: the message is deflated (RFC 7692 section 6). */
const DEFLATED = 0x40;

/** Frames as they follow each other on the wire, uncompressed. */
export function concat(frames: readonly Frame[]): Buffer {
  return PLAIN.of(frames);
}

/** Frames as they follow each other on the wire, for the connections that have the same parameters. */
export class Concat {
  readonly #deflater: Deflater | undefined;
  /** The last burst: the sockets that share it are written one after the other. */
  #lastFrames: readonly Frame[] | undefined = undefined;
  #lastBytes: Buffer = NOTHING;
  #forgets = false;

  constructor(deflater?: Deflater) {
    this.#deflater = deflater;
  }

  /** The bytes; made once for the sockets that get the same array in one turn. */
  of(frames: readonly Frame[]): Buffer {
    if (frames === this.#lastFrames) return this.#lastBytes;
    this.#lastFrames = frames;
    this.#lastBytes = this.#deflater === undefined ? join(frames) : joinDeflated(frames, this.#deflater);
    if (this.#lastBytes.byteLength > MAX_KEPT_BYTES || this.#deflater !== undefined) this.#willForget();
    return this.#lastBytes;
  }

  #willForget(): void {
    if (this.#forgets) return;
    this.#forgets = true;
    setImmediate(() => {
      this.#forgets = false;
      this.#lastFrames = undefined;
      this.#lastBytes = NOTHING;
      this.#deflater?.forget();
    });
  }
}

const NOTHING = Buffer.alloc(0);
/** Without compression the bytes are the same for all hubs. */
export const PLAIN: Concat = new Concat();

function join(frames: readonly Frame[]): Buffer {
  let bytes = 0;
  for (const frame of frames) bytes += frame.byteLength;
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const frame of frames) offset = put(frame, joined, offset);
  return joined;
}

function joinDeflated(frames: readonly Frame[], deflater: Deflater): Buffer {
  let bytes = 0;
  for (const frame of frames) {
    const deflated = deflater.of(frame);
    bytes += deflated === undefined ? frame.byteLength : headerBytes(deflated.byteLength) + deflated.byteLength;
  }
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const frame of frames) {
    const deflated = deflater.of(frame);
    offset = deflated === undefined ? put(frame, joined, offset) : putDeflated(frame.binary, deflated, joined, offset);
  }
  return joined;
}

/** Writes a frame in its form on the wire; returns where the next one goes. */
function put({ binary, messageBytes, raw }: Frame, into: Buffer, at: number): number {
  const start = writeHeader(into, at, binary, messageBytes);
  if (typeof raw === "string") into.write(raw, start);
  else into.set(raw, start);
  return start + messageBytes;
}

function putDeflated(binary: boolean, deflated: Uint8Array, into: Buffer, at: number): number {
  const start = writeHeader(into, at, binary, deflated.byteLength);
  into[at] = (into[at] as number) | DEFLATED;
  into.set(deflated, start);
  return start + deflated.byteLength;
}
