import type { Burst } from "./burst.ts";
import { invalidArgument } from "./error.ts";

/** What can be sent: text, or bytes. */
export type Message = string | Uint8Array | ArrayBuffer | ArrayBufferView;

const TEXT = 0x81;
const BINARY = 0x82;
const MAX_HEADER_BYTES = 10;
/** Small frames are cut from common memory: an allocation of its own costs more than all the rest of a frame. */
const SLAB_BYTES = 8_192;
const MAX_SLAB_FRAME_BYTES = 1_024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/**
 * One message, encoded once, however many sockets it goes to.
 *
 * It holds an unmasked, final frame as a server sends it (RFC 6455 section 5.2), so that a socket that writes frames
 * itself can use `wire` as it is, and one whose engine frames can use `payload`.
 * The bytes are copied when the frame is made: the caller may reuse its buffer at once.
 */
export class Frame {
  /** Whether the message is bytes rather than text. */
  readonly binary: boolean;
  /** The message without its header, as bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the header, which lies right before `bytes` in their buffer. */
  readonly headerBytes: number;
  /** Bytes on the wire. */
  readonly byteLength: number;
  /** How many sockets were offered the frame and did not take it. */
  refused = 0;
  /**
   * The burst of this frame alone, kept for all the sockets that get it.
   *
   * @internal
   */
  alone: Burst | undefined = undefined;
  #text: string | undefined;
  #wire: Uint8Array<ArrayBuffer> | undefined = undefined;

  /** `bytes` are from {@link room}. */
  private constructor(bytes: Uint8Array<ArrayBuffer>, binary: boolean, text: string | undefined) {
    this.headerBytes = writeHeader(binary ? BINARY : TEXT, bytes.byteLength);
    this.bytes = bytes;
    this.byteLength = this.headerBytes + bytes.byteLength;
    this.binary = binary;
    this.#text = text;
  }

  static #ofBytes(message: Uint8Array, binary: boolean, text: string | undefined): Frame {
    const bytes = room(message.byteLength);
    bytes.set(message);
    return new Frame(bytes, binary, text);
  }

  static #ofText(text: string): Frame {
    // As if it were all ASCII, which most text is: then one pass fills the frame.
    const bytes = room(text.length);
    const { read } = encoder.encodeInto(text, bytes);
    if (read !== text.length) return Frame.#ofBytes(encoder.encode(text), false, text);
    return new Frame(bytes, false, text);
  }

  /** Frames what an application sends. Throws a TypeError (`invalid_argument`) for anything but text and bytes. */
  static of(message: Message): Frame {
    if (typeof message === "string") return Frame.#ofText(message);
    if (message instanceof Uint8Array) return Frame.#ofBytes(message, true, undefined);
    if (message instanceof ArrayBuffer) return Frame.#ofBytes(new Uint8Array(message), true, undefined);
    if (ArrayBuffer.isView(message)) {
      return Frame.#ofBytes(new Uint8Array(message.buffer, message.byteOffset, message.byteLength), true, undefined);
    }
    throw invalidArgument(describeBadMessage(message));
  }

  /** Frames bytes from a back-end. Throws a TypeError (`invalid_argument`) if text is not valid UTF-8. */
  static fromBytes(bytes: Uint8Array, binary: boolean): Frame {
    if (binary) return Frame.#ofBytes(bytes, true, undefined);
    try {
      return Frame.#ofBytes(bytes, false, strictDecoder.decode(bytes));
    } catch {
      throw invalidArgument("data is not valid UTF-8: set `binary` to send bytes");
    }
  }

  /** Frames bytes from another node, which checked them when they came in. */
  static relayed(bytes: Uint8Array, binary: boolean): Frame {
    return Frame.#ofBytes(bytes, binary, undefined);
  }

  /** A new frame of the same kind: `head`, and then this message. */
  after(head: string): Frame {
    const headBytes = encoder.encode(head);
    const bytes = new Uint8Array(headBytes.byteLength + this.bytes.byteLength);
    bytes.set(headBytes);
    bytes.set(this.bytes, headBytes.byteLength);
    return Frame.#ofBytes(bytes, this.binary, undefined);
  }

  /** The whole frame: header and payload. */
  get wire(): Uint8Array<ArrayBuffer> {
    const { buffer, byteOffset } = this.bytes;
    return (this.#wire ??= new Uint8Array(buffer, byteOffset - this.headerBytes, this.byteLength));
  }

  /** The message as its receiver's `event.data` has it: a string, or bytes. */
  get payload(): string | Uint8Array<ArrayBuffer> {
    if (this.binary) return this.bytes;
    return (this.#text ??= decoder.decode(this.bytes));
  }

  /** Bytes of the message alone. */
  get messageBytes(): number {
    return this.bytes.byteLength;
  }
}

let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;
/** Where the last {@link room} has its header: in what, and from which byte. */
let header = slab;
let headerAt = 0;

/** Room for so many bytes of a message, with that of their header right before it. */
function room(bytes: number): Uint8Array<ArrayBuffer> {
  const head = headerBytes(bytes);
  if (head + bytes > MAX_SLAB_FRAME_BYTES) {
    header = new Uint8Array(head + bytes);
    headerAt = 0;
    return header.subarray(head);
  }
  if (slabUsed + head + bytes > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  header = slab;
  headerAt = slabUsed;
  slabUsed += head + bytes;
  return new Uint8Array(slab.buffer, headerAt + head, bytes);
}

function headerBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return 2;
  return payloadBytes < 65_536 ? 4 : MAX_HEADER_BYTES;
}

/** Writes the header into the last {@link room}; returns how long it is. */
function writeHeader(firstByte: number, payloadBytes: number): number {
  header[headerAt] = firstByte;
  if (payloadBytes < 126) {
    header[headerAt + 1] = payloadBytes;
    return 2;
  }
  const view = new DataView(header.buffer, headerAt);
  if (payloadBytes < 65_536) {
    view.setUint8(1, 126);
    view.setUint16(2, payloadBytes);
  } else {
    view.setUint8(1, 127);
    view.setBigUint64(2, BigInt(payloadBytes));
  }
  return headerBytes(payloadBytes);
}

function describeBadMessage(message: unknown): string {
  const kind = message === null ? "null" : typeof message;
  const hint = kind === "object" ? " Use JSON.stringify to send an object." : "";
  return `a message is a string or bytes (Uint8Array, ArrayBuffer or a view), not ${kind}.${hint}`;
}
