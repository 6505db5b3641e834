import { Buffer, isUtf8 } from "node:buffer";
import { CloseCode } from "../../src/base/close-code.ts";
import { readClose } from "./close-frame.ts";
import { FrameHead, HeadResult, MAX_HEAD_BYTES, Opcode } from "./frame-head.ts";
import { MessageBuffer } from "./message-buffer.ts";
import { rotate, unmask } from "./unmask.ts";

/** The meaning of a peer's bytes, in order. After `peerClosed` or `fault` nothing follows. */
export interface FrameSink {
  /** Whether both sides agreed that messages may be compressed. */
  readonly inflates: boolean;
  message(data: string | Uint8Array): void;
  pinged(payload: Uint8Array): void;
  ponged(): void;
  /** The peer closes; 1005 if it named no code. */
  peerClosed(code: number, reason: string): void;
  /** The peer broke a rule: the connection fails with the code. */
  fault(code: number): void;
  /** How many fragments of messages came with this chunk; false if they come too fast. */
  fragments(count: number): boolean;
  /** Inflates the bytes of a message; returns it, or the code of the peer's fault. */
  inflate(bytes: Uint8Array, binary: boolean): string | Uint8Array | number;
}

/** The frame whose payload is coming. */
interface OpenFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: MessageBuffer;
  /** The mask of the next byte. */
  key: number;
  /** Bytes that are still to come. */
  left: number;
}

/** The part of a message or a frame that is not whole. Between two messages it is undefined, or a part of a header. */
export interface Unfinished {
  /** The first bytes of a header. */
  head: Uint8Array | undefined;
  frame: OpenFrame | undefined;
  /** The message that the fragments so far began. */
  message: MessageBuffer | undefined;
}

/** One header at a time is read, and read out before anybody else can run. */
const head = new FrameHead();
const scratch = Buffer.alloc(MAX_HEAD_BYTES);

/**
 * Reads the frames of a client (RFC 6455 section 5), however they are cut into chunks.
 *
 * Each chunk goes in with the unfinished part that the chunk before it left, and its own comes back. The chunk is unmasked
 * in place. A message that is whole in its chunk is not copied: its text is made of the chunk's bytes, its bytes are moved
 * once, because they belong to the application then.
 */
export function readFrames(
  chunk: Buffer,
  unfinished: Unfinished | undefined,
  maxMessageBytes: number,
  sink: FrameSink,
): Unfinished | undefined {
  if (unfinished === undefined) return readOn(chunk, 0, unfinished, maxMessageBytes, sink);
  const at = unfinished.frame === undefined ? 0 : continueFrame(chunk, unfinished, unfinished.frame, sink);
  return at < 0 ? undefined : readOn(chunk, at, unfinished, maxMessageBytes, sink);
}

/** Reads the frames that begin in the chunk. */
function readOn(
  chunk: Buffer,
  from: number,
  unfinished: Unfinished | undefined,
  maxMessageBytes: number,
  sink: FrameSink,
): Unfinished | undefined {
  const end = chunk.length;
  let fragments = 0;
  let at = from;
  let state = unfinished;
  while (at < end) {
    const message = state?.message;
    const room = message === undefined ? maxMessageBytes : maxMessageBytes - message.byteLength;
    const before = state?.head === undefined ? 0 : state.head.byteLength;
    const result = before === 0 || state === undefined
      ? head.read(chunk, at, end, message !== undefined, room, sink.inflates)
      : readCutHead(chunk, at, end, state, room, sink.inflates);
    if (result === HeadResult.NotWhole) {
      state = withHead(state, chunk, at, end);
      break;
    }
    if (result !== HeadResult.Whole) return fail(sink, result);
    const { opcode, fin, deflated, length, key } = head;
    const start = at + head.bytes - before;
    if (before !== 0 && state !== undefined) state.head = undefined;
    if (opcode === Opcode.Continuation || !fin) fragments++;
    at = start + length;
    if (at > end || message !== undefined || !fin || deflated || opcode >= Opcode.Close) {
      state ??= { head: undefined, frame: undefined, message: undefined };
      if (!beginFrame(chunk, start, Math.min(at, end), state, head, sink)) return undefined;
    } else if (!takeMessage(chunk, start, at, opcode, key, sink)) return undefined;
  }
  if (fragments > 0 && !sink.fragments(fragments)) return fail(sink, CloseCode.PolicyViolation);
  return state !== undefined && (state.head ?? state.frame ?? state.message) === undefined ? undefined : state;
}

function fail(sink: FrameSink, code: number): undefined {
  sink.fault(code);
  return undefined;
}

/** Takes a message that is one frame and whole in the chunk. */
function takeMessage(chunk: Buffer, start: number, end: number, opcode: number, key: number, sink: FrameSink): boolean {
  if (opcode === Opcode.Binary) {
    const bytes = new Uint8Array(end - start);
    bytes.set(chunk.subarray(start, end));
    unmask(bytes, 0, bytes.byteLength, key);
    sink.message(bytes);
    return true;
  }
  if (unmask(chunk, start, end, key) < 128) {
    sink.message(chunk.toString("latin1", start, end));
    return true;
  }
  const valid = isUtf8(chunk.subarray(start, end));
  if (valid) sink.message(chunk.toString("utf8", start, end));
  else sink.fault(CloseCode.InvalidPayload);
  return valid;
}

/** Takes a frame of any other kind, or the part of one that is there. False after a close or a fault. */
function beginFrame(
  chunk: Buffer,
  start: number,
  end: number,
  state: Unfinished,
  { opcode, fin, deflated, key, length }: FrameHead,
  sink: FrameSink,
): boolean {
  let payload: MessageBuffer;
  if (opcode >= Opcode.Close) payload = new MessageBuffer(true);
  else payload = state.message ??= new MessageBuffer(opcode === Opcode.Binary, deflated);
  const frame = { opcode, fin, payload, key, left: length };
  return addPayload(chunk, start, end, state, frame, sink);
}

/** Takes the rest of an open frame from the start of a chunk; returns where the next one begins, or -1 after a close or a fault. */
function continueFrame(chunk: Buffer, state: Unfinished, frame: OpenFrame, sink: FrameSink): number {
  const end = Math.min(frame.left, chunk.length);
  return addPayload(chunk, 0, end, state, frame, sink) ? end : -1;
}

/** False after a close or a fault. */
function addPayload(
  chunk: Buffer,
  start: number,
  end: number,
  state: Unfinished,
  frame: OpenFrame,
  sink: FrameSink,
): boolean {
  frame.left -= end - start;
  const more = frame.fin ? frame.left : Infinity;
  if (end > start && !frame.payload.append(chunk.subarray(start, end), frame.key, more)) {
    sink.fault(CloseCode.InvalidPayload);
    return false;
  }
  frame.key = rotate(frame.key, end - start);
  state.frame = frame.left > 0 ? frame : undefined;
  return frame.left > 0 || endFrame(state, frame, sink);
}

/** Hands on a frame that is whole now. False after a close or a fault. */
function endFrame(state: Unfinished, { opcode, fin, payload }: OpenFrame, sink: FrameSink): boolean {
  switch (opcode) {
    case Opcode.Ping:
      sink.pinged(payload.bytes());
      return true;
    case Opcode.Pong:
      sink.ponged();
      return true;
    case Opcode.Close:
      return endClose(payload.bytes(), sink);
    default:
      return !fin || endMessage(state, payload, sink);
  }
}

function endClose(payload: Uint8Array, sink: FrameSink): false {
  const { code, reason, fault } = readClose(payload);
  if (fault === undefined) sink.peerClosed(code, reason);
  else sink.fault(fault);
  return false;
}

function endMessage(state: Unfinished, message: MessageBuffer, sink: FrameSink): boolean {
  state.message = undefined;
  if (message.deflated) return endDeflated(message, sink);
  if (message.whole) sink.message(message.message());
  else sink.fault(CloseCode.InvalidPayload);
  return message.whole;
}

function endDeflated(message: MessageBuffer, sink: FrameSink): boolean {
  const inflated = sink.inflate(message.bytes(), message.binary);
  if (typeof inflated === "number") sink.fault(inflated);
  else sink.message(inflated);
  return typeof inflated !== "number";
}

/** Reads a header whose first bytes came with chunks before. */
function readCutHead(
  chunk: Buffer,
  at: number,
  end: number,
  state: Unfinished,
  room: number,
  inflates: boolean,
): number {
  const before = state.head as Uint8Array;
  const more = Math.min(end - at, MAX_HEAD_BYTES - before.byteLength);
  scratch.set(before);
  scratch.set(chunk.subarray(at, at + more), before.byteLength);
  return head.read(scratch, 0, before.byteLength + more, state.message !== undefined, room, inflates);
}

/** Keeps the first bytes of a header. */
function withHead(state: Unfinished | undefined, chunk: Buffer, at: number, end: number): Unfinished {
  const more = new Uint8Array(chunk.subarray(at, end));
  if (state === undefined) return { head: more, frame: undefined, message: undefined };
  const before = state.head ?? new Uint8Array();
  state.head = new Uint8Array(before.byteLength + more.byteLength);
  state.head.set(before);
  state.head.set(more, before.byteLength);
  return state;
}
