import { CloseCode } from "../../src/base/close-code.ts";

/** The opcodes of RFC 6455 section 5.2. */
export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

/** The longest header: two bytes, eight of length, four of mask. */
export const MAX_HEAD_BYTES = 14;

/** The finding of {@link FrameHead.read}. Anything else is the code of the peer's fault. */
export const HeadResult = { Whole: 0, NotWhole: 1 } as const;

const FIN = 0x80;
const RESERVED = 0x70;
/** The first reserved bit: the message is compressed (RFC 7692 section 6). */
const DEFLATED = 0x40;
const MASKED = 0x80;
const MAX_CONTROL_BYTES = 125;
/** The upper half of 2^53: a longer length is not an exact number. */
const MAX_HIGH = 0x1f_ffff;

/** The header of one frame from a client. One object reads all of them. */
export class FrameHead {
  opcode = 0;
  fin = false;
  /** The message that begins with the frame is compressed. */
  deflated = false;
  /** Bytes of the payload. */
  length = 0;
  /** Bytes of the header. */
  bytes = 0;
  /** The mask, its first byte lowest. */
  key = 0;

  /**
   * Reads the header at `at`. `inMessage`: a message was begun and not ended; `room`: the bytes that a message may still have;
   * `inflates`: a message may be compressed. A fault is found as soon as its byte is there.
   */
  read(from: Uint8Array, at: number, end: number, inMessage: boolean, room: number, inflates: boolean): number {
    if (end - at < 2) return end - at < 1 ? HeadResult.NotWhole : faultOfFirst(from[at] as number, inMessage, inflates);
    const first = from[at] as number;
    const second = from[at + 1] as number;
    const fault = faultOfFirst(first, inMessage, inflates);
    if (fault !== HeadResult.NotWhole) return fault;
    this.opcode = first & 15;
    this.deflated = (first & DEFLATED) !== 0;
    this.fin = first >= FIN;
    if (second < MASKED) return CloseCode.ProtocolError;
    const short = second & 127;
    if (this.opcode >= Opcode.Close) {
      if (short > MAX_CONTROL_BYTES || (this.opcode === Opcode.Close && short === 1)) return CloseCode.ProtocolError;
      return this.#end(from, at + 2, end, at, short);
    }
    return this.#length(from, at, end, short, room);
  }

  #length(from: Uint8Array, at: number, end: number, short: number, room: number): number {
    let length = short;
    let after = at + 2;
    if (short >= 126) {
      after += short === 126 ? 2 : 8;
      if (end < after) return HeadResult.NotWhole;
      length = short === 126 ? ((from[at + 2] as number) << 8) | (from[at + 3] as number) : longLength(from, at + 2);
    }
    return length > room ? CloseCode.MessageTooBig : this.#end(from, after, end, at, length);
  }

  #end(from: Uint8Array, mask: number, end: number, at: number, length: number): number {
    if (end < mask + 4) return HeadResult.NotWhole;
    this.length = length;
    this.key = (from[mask] as number) | ((from[mask + 1] as number) << 8) | ((from[mask + 2] as number) << 16) |
      ((from[mask + 3] as number) << 24);
    this.bytes = mask + 4 - at;
    return HeadResult.Whole;
  }
}

/** The fault that the first byte of a frame shows; `NotWhole` if there is none. */
function faultOfFirst(first: number, inMessage: boolean, inflates: boolean): number {
  const reserved = first & RESERVED;
  if (reserved !== 0 && !(inflates && reserved === DEFLATED && beginsMessage(first & 15))) {
    return CloseCode.ProtocolError;
  }
  switch (first & 15) {
    case Opcode.Continuation:
      return inMessage ? HeadResult.NotWhole : CloseCode.ProtocolError;
    case Opcode.Text:
    case Opcode.Binary:
      return inMessage ? CloseCode.ProtocolError : HeadResult.NotWhole;
    case Opcode.Close:
    case Opcode.Ping:
    case Opcode.Pong:
      return first >= FIN ? HeadResult.NotWhole : CloseCode.ProtocolError;
    default:
      return CloseCode.ProtocolError;
  }
}

function beginsMessage(opcode: number): boolean {
  return opcode === Opcode.Text || opcode === Opcode.Binary;
}

/** A length of eight bytes; Infinity for one that no number holds exactly. */
function longLength(from: Uint8Array, at: number): number {
  const high = word(from, at);
  return high > MAX_HIGH ? Infinity : high * 4_294_967_296 + word(from, at + 4);
}

function word(from: Uint8Array, at: number): number {
  return (((from[at] as number) << 24) | ((from[at + 1] as number) << 16) | ((from[at + 2] as number) << 8) |
    (from[at + 3] as number)) >>> 0;
}
