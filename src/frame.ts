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
  /** The whole frame: header and payload. */
  readonly wire: Uint8Array<ArrayBuffer>;
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
  readonly #headerBytes: number;
  #text: string | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;

  private constructor(wire: Uint8Array<ArrayBuffer>, head: number, binary: boolean, text: string | undefined) {
    this.wire = wire;
    this.byteLength = wire.byteLength;
    this.binary = binary;
    this.#headerBytes = head;
    this.#text = text;
  }

  static #ofBytes(bytes: Uint8Array, binary: boolean, text: string | undefined): Frame {
    const head = headerBytes(bytes.byteLength);
    const wire = allocate(head + bytes.byteLength);
    wire.set(bytes, head);
    writeHeader(wire, binary ? BINARY : TEXT, bytes.byteLength);
    return new Frame(wire, head, binary, text);
  }

  static #ofText(text: string): Frame {
    // As if it were all ASCII, which most text is: then one pass fills the frame.
    const head = headerBytes(text.length);
    const wire = allocate(head + text.length);
    const { read } = encoder.encodeInto(text, wire.subarray(head));
    if (read !== text.length) return Frame.#ofBytes(encoder.encode(text), false, text);
    writeHeader(wire, TEXT, text.length);
    return new Frame(wire, head, false, text);
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

  /** The message without its header, as bytes. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return (this.#bytes ??= this.wire.subarray(this.#headerBytes));
  }

  /** The message as its receiver's `event.data` has it: a string, or bytes. */
  get payload(): string | Uint8Array<ArrayBuffer> {
    if (this.binary) return this.bytes;
    return (this.#text ??= decoder.decode(this.bytes));
  }

  /** Bytes of the message alone. */
  get messageBytes(): number {
    return this.byteLength - this.#headerBytes;
  }
}

let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsed = 0;

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > MAX_SLAB_FRAME_BYTES) return new Uint8Array(bytes);
  if (slabUsed + bytes > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsed = 0;
  }
  const piece = new Uint8Array(slab, slabUsed, bytes);
  slabUsed += bytes;
  return piece;
}

function headerBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return 2;
  return payloadBytes < 65_536 ? 4 : MAX_HEADER_BYTES;
}

function writeHeader(wire: Uint8Array, firstByte: number, payloadBytes: number): void {
  wire[0] = firstByte;
  if (payloadBytes < 126) {
    wire[1] = payloadBytes;
    return;
  }
  const view = new DataView(wire.buffer, wire.byteOffset);
  if (payloadBytes < 65_536) {
    wire[1] = 126;
    view.setUint16(2, payloadBytes);
  } else {
    wire[1] = 127;
    view.setBigUint64(2, BigInt(payloadBytes));
  }
}

function describeBadMessage(message: unknown): string {
  const kind = message === null ? "null" : typeof message;
  const hint = kind === "object" ? " Use JSON.stringify to send an object." : "";
  return `a message is a string or bytes (Uint8Array, ArrayBuffer or a view), not ${kind}.${hint}`;
}
