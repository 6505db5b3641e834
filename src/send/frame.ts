import { kindOf } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import type { CompressOptions } from "./compression.ts";
import { headerBytes } from "./frame-header.ts";
import type { Position } from "./position.ts";
import { isReserved, prefixed } from "../wire/v1.ts";
import { messageLine } from "../wire/topics.ts";

/** A message: text, or bytes. */
export type Message = string | Uint8Array | ArrayBuffer | ArrayBufferView;

/** Small messages are cut from common memory: an allocation of its own costs more than all the rest of a frame. */
const SLAB_BYTES = 8_192;
const MAX_SLAB_MESSAGE_BYTES = 1_024;
/** Text up to this length is measured without being kept as bytes: who sends it may not need them. */
const MAX_MEASURED_CHARS = 1_024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
/** Never read; a character becomes three bytes at most. */
const scratch = new Uint8Array(3 * MAX_MEASURED_CHARS);

/**
 * One message, whole and uncompressed, however many sockets it goes to.
 *
 * Text stays text until somebody asks for its bytes, which are then made once: an engine may take it as it is, or write it
 * straight into what it sends. Bytes are copied when the frame is made: the caller may reuse its buffer at once.
 */
export class Frame {
  /** Whether the message is bytes rather than text. */
  readonly binary: boolean;
  /** Bytes of the message alone. */
  readonly messageBytes: number;
  /** How it is compressed, as its topic says: undefined as any other message of the hub, null never. */
  compress: Readonly<CompressOptions> | null | undefined = undefined;
  /** How many sockets were offered the frame and did not take it. */
  refused = 0;
  /** How many clients that are away it is held for. */
  held = 0;
  /**
   * The `Burst` of this frame alone, kept for all the sockets that get it. Only `Burst` sets it, and knows its type.
   *
   * @internal
   */
  alone: object | undefined = undefined;
  /** The message of a topic for clients that subscribed themselves: one frame for all of a node. Undefined if there are none. */
  tagged: Frame | undefined = undefined;
  /** The message's place in the history of its topic, if that has one. */
  place: Position | undefined = undefined;
  /** How the message differs from the one before in its topic, for clients that have that and can read it. Few frames have one. */
  declare delta?: Frame | undefined;
  /** The tagged form of a message of which this is the delta. */
  declare whole?: Frame | undefined;
  #text: string | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  /** The same for clients of meshsocket.v1: undefined until asked for. */
  #forV1: Frame | undefined;

  private constructor(
    binary: boolean,
    messageBytes: number,
    text: string | undefined,
    bytes: Uint8Array<ArrayBuffer> | undefined,
  ) {
    this.binary = binary;
    this.messageBytes = messageBytes;
    this.#text = text;
    this.#bytes = bytes;
  }

  static #ofBytes(message: Uint8Array, binary: boolean, text: string | undefined): Frame {
    const bytes = allocate(message.byteLength);
    bytes.set(message);
    return new Frame(binary, bytes.byteLength, text, bytes);
  }

  static #ofText(text: string): Frame {
    if (text.length <= MAX_MEASURED_CHARS) {
      return new Frame(false, encoder.encodeInto(text, scratch).written, text, undefined);
    }
    const bytes = encoder.encode(text);
    return new Frame(false, bytes.byteLength, text, bytes);
  }

  /** Frames what an application sends. Throws a TypeError (`invalid_argument`), ending in `hint`, for anything but text and bytes. */
  static of(message: Message, hint = ""): Frame {
    if (typeof message === "string") return Frame.#ofText(message);
    if (message instanceof Uint8Array) return Frame.#ofBytes(message, true, undefined);
    if (message instanceof ArrayBuffer) return Frame.#ofBytes(new Uint8Array(message), true, undefined);
    if (ArrayBuffer.isView(message)) {
      return Frame.#ofBytes(new Uint8Array(message.buffer, message.byteOffset, message.byteLength), true, undefined);
    }
    throw invalidArgument(
      `the message must be a string or bytes, not ${kindOf(message)}: send JSON.stringify(message)${hint}`,
    );
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

  /** The same message for other clients, whose outcome is counted by itself. */
  twin(): Frame {
    const twin = new Frame(this.binary, this.messageBytes, this.#text, this.#bytes);
    twin.compress = this.compress;
    twin.place = this.place;
    return twin;
  }

  /** A control line of meshsocket.v1. With a payload it is of the payload's kind: `line`, and then the payload. */
  static control(line: string, payload?: Frame): Frame {
    const whole = payload === undefined ? line : prefixed(line, payload.binary ? payload.bytes : payload.payload);
    const frame = Frame.of(whole);
    frame.compress = payload?.compress;
    frame.#forV1 = frame;
    return frame;
  }

  /** {@link Frame.tagged}, made once. It is compressed as the message was to be at that moment. */
  tag(topic: string): Frame {
    return (this.tagged ??= Frame.control(messageLine(topic, this.place), this));
  }

  /** How many sockets and clients of either form of the message did not take it, and how many hold it. */
  get outcome(): { readonly refused: number; readonly held: number } {
    const { refused = 0, held = 0 } = this.tagged ?? {};
    const { delta } = this;
    return { refused: this.refused + refused + (delta?.refused ?? 0), held: this.held + held + (delta?.held ?? 0) };
  }

  /** A control line of meshsocket.v1 from another node. */
  static relayedControl(bytes: Uint8Array, binary: boolean): Frame {
    const frame = Frame.relayed(bytes, binary);
    frame.#forV1 = frame;
    return frame;
  }

  /** Whether it is a control line of meshsocket.v1, not a message of the application. */
  get isControl(): boolean {
    return this.#forV1 === this && this.#isReserved;
  }

  /** The frame for clients of meshsocket.v1: the same, unless the message must be escaped. */
  get forV1(): Frame {
    return (this.#forV1 ??= this.#isReserved ? Frame.control("~", this) : this);
  }

  get #isReserved(): boolean {
    return isReserved(this.#text ?? this.bytes);
  }

  /** Bytes on the wire, header included. */
  get byteLength(): number {
    return headerBytes(this.messageBytes) + this.messageBytes;
  }

  /** The message as bytes. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return (this.#bytes ??= this.#encode());
  }

  #encode(): Uint8Array<ArrayBuffer> {
    const bytes = allocate(this.messageBytes);
    encoder.encodeInto(this.#text ?? "", bytes);
    return bytes;
  }

  /** The message as it is at hand: text that was never made bytes of, or bytes. */
  get raw(): string | Uint8Array<ArrayBuffer> {
    return this.#bytes ?? this.#text ?? this.bytes;
  }

  /** The message as its receiver's `event.data` has it: a string, or bytes. */
  get payload(): string | Uint8Array<ArrayBuffer> {
    if (this.binary) return this.bytes;
    return (this.#text ??= decoder.decode(this.bytes));
  }
}

let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsed = 0;

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > MAX_SLAB_MESSAGE_BYTES) return new Uint8Array(bytes);
  if (slabUsed + bytes > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsed = 0;
  }
  const piece = new Uint8Array(slab, slabUsed, bytes);
  slabUsed += bytes;
  return piece;
}
