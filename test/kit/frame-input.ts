import { Buffer } from "node:buffer";
import { constants, deflateRawSync } from "node:zlib";
import type { Random } from "./random.ts";

/** Bytes of a client after its 101, and where they are cut into chunks. */
export interface FrameInput {
  readonly bytes: Buffer;
  /** Ascending, each within the bytes. */
  readonly cuts: readonly number[];
}

/** The largest message that readers are given here: small, so that inputs pass it often. */
export const MAX_MESSAGE_BYTES = 1_000;

const LENGTHS = [0, 0, 1, 2, 3, 5, 16, 64, 124, 125, 126, 127, 190, 191, 192, 193, 200, 500, 999, 1_000, 1_001, 1_200];
const TEXTS = ["", "a", "plain", "é", "漢", "😀", "\u{10ffff}", "\ufeff", "\0", "a😀b漢"];
const INVALID = ["ff", "c0af", "e080", "eda080", "f4908080", "f8", "80", "c3", "e282", "f09f98", "f0"];
const CODES = [
  1000,
  1001,
  1002,
  1003,
  1004,
  1005,
  1006,
  1007,
  1011,
  1014,
  1015,
  1016,
  2999,
  3000,
  4999,
  5000,
  0,
  65_535,
];
/** After each input: enough for every reader to finish the header that it is in. */
const TAIL = Buffer.alloc(16);

/** Frames as a client might send them, most of them good, some of their bytes changed, cut anywhere. */
export function randomInput(random: Random): FrameInput {
  const frames: Buffer[] = [];
  let inMessage = false;
  for (let left = 1 + random.below(6); left > 0; left--) {
    const opcode = randomOpcode(random, inMessage);
    const fin = random.below(3) > 0;
    if (opcode < 8) inMessage = !fin;
    frames.push(randomFrame(random, opcode, fin));
  }
  const bytes = Buffer.concat([...frames, TAIL]);
  if (random.below(3) === 0) change(random, bytes);
  return { bytes, cuts: randomCuts(random, bytes.length) };
}

function randomOpcode(random: Random, inMessage: boolean): number {
  const kind = random.below(20);
  if (kind === 0) return random.below(16);
  if (kind === 1) return 8;
  if (kind < 5) return random.pick([9, 10]);
  if (inMessage) return 0;
  return random.pick([1, 1, 2]);
}

function randomFrame(random: Random, opcode: number, fin: boolean): Buffer {
  const payload = randomPayload(random, opcode);
  const control = opcode >= 8;
  const first = (fin || (control && random.below(10) > 0) ? 0x80 : 0) | opcode | (random.below(60) === 0 ? 0x40 : 0);
  return frameWith(random, first, payload);
}

function frameWith(random: Random, first: number, payload: Buffer): Buffer {
  const key = random.below(4) === 0 ? Buffer.alloc(4) : Buffer.from([1, 2, 3, 4].map(() => random.below(256)));
  const masked = payload.map((byte, at) => byte ^ (key[at & 3] as number));
  return Buffer.concat([Buffer.of(first), lengthBytes(random, payload.length), key, masked]);
}

function lengthBytes(random: Random, length: number): Buffer {
  const mask = random.below(80) === 0 ? 0 : 0x80;
  // Longer forms than needed are taken, too.
  const form = Math.max(length < 126 ? 0 : length < 65_536 ? 1 : 2, random.below(30) === 0 ? random.below(3) : 0);
  if (form === 0) return Buffer.of(mask | length);
  const bytes = Buffer.alloc(form === 1 ? 3 : 9);
  bytes[0] = mask | (form === 1 ? 126 : 127);
  bytes.writeUIntBE(length, form === 1 ? 1 : 5, form === 1 ? 2 : 4);
  if (form === 2 && random.below(20) === 0) bytes[1 + random.below(4)] = random.below(256);
  return bytes;
}

function randomPayload(random: Random, opcode: number): Buffer {
  if (opcode === 8) return randomClose(random);
  const length = random.pick(opcode > 8 ? LENGTHS.filter((each) => each < 128) : LENGTHS);
  if (opcode === 2) return Buffer.alloc(length, random.below(256));
  let text = Buffer.from(random.pick(TEXTS).repeat(1 + random.below(3)) + "x".repeat(length));
  // Text that is cut within a character goes on in the next fragment, or does not.
  if (random.below(4) === 0) text = text.subarray(random.below(3), Math.max(0, text.length - random.below(3)));
  return random.below(30) === 0 ? Buffer.concat([text, Buffer.from(random.pick(INVALID), "hex")]) : text;
}

function randomClose(random: Random): Buffer {
  const kind = random.below(6);
  if (kind < 2) return Buffer.alloc(kind);
  const code = Buffer.alloc(2);
  code.writeUInt16BE(random.pick(CODES));
  const reason = kind === 2 ? Buffer.from(random.pick(INVALID), "hex") : Buffer.from(random.pick(TEXTS));
  return Buffer.concat([code, reason]);
}

function change(random: Random, bytes: Buffer): void {
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(bytes.length);
    bytes[at] = random.below(2) === 0 ? random.below(256) : (bytes[at] as number) ^ (1 << random.below(8));
  }
}

/** Messages of which most are compressed, in fragments, with control frames between; some of their bytes changed, cut anywhere. */
export function randomDeflatedInput(random: Random): FrameInput {
  const frames: Buffer[] = [];
  for (let left = 1 + random.below(4); left > 0; left--) frames.push(...randomMessage(random));
  const bytes = Buffer.concat([...frames, TAIL]);
  if (random.below(3) === 0) change(random, bytes);
  return { bytes, cuts: randomCuts(random, bytes.length) };
}

function randomMessage(random: Random): Buffer[] {
  const opcode = random.pick([1, 1, 2]);
  const compressed = random.below(4) > 0;
  let payload = compressed ? deflatedPayload(random, opcode) : randomPayload(random, opcode);
  if (compressed && random.below(8) === 0) payload = payload.subarray(0, random.below(payload.length + 1));
  const frames: Buffer[] = [];
  const pieces = random.below(3) === 0 ? 1 + random.below(4) : 1;
  for (let piece = 0; piece < pieces; piece++) {
    const fin = piece === pieces - 1;
    const part = fin ? payload : payload.subarray(0, random.below(payload.length + 1));
    payload = payload.subarray(part.length);
    const reserved = (piece === 0 && compressed) || random.below(80) === 0 ? 0x40 : 0;
    frames.push(frameWith(random, (fin ? 0x80 : 0) | reserved | (piece === 0 ? opcode : 0), part));
    if (random.below(6) === 0) frames.push(randomFrame(random, random.pick([9, 10]), true));
  }
  return frames;
}

function deflatedPayload(random: Random, opcode: number): Buffer {
  const message = random.below(20) === 0 ? Buffer.alloc(random.pick([5_000, 100_000])) : randomPayload(random, opcode);
  const level = random.pick([0, 1, 6, 9]);
  const strategy = random.pick([constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY]);
  // A last block may say that it is the last (RFC 7692 section 7.2.3.5).
  if (random.below(10) === 0) return Buffer.concat([deflateRawSync(message, { level, strategy }), Buffer.alloc(1)]);
  return deflateRawSync(message, { level, strategy, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

function randomCuts(random: Random, length: number): number[] {
  const kind = random.below(4);
  if (kind === 0) return [];
  if (kind === 1 && random.below(8) === 0) return Array.from({ length: Math.min(length, 200) }, (_, at) => at);
  return Array.from({ length: 1 + random.below(8) }, () => random.below(length)).sort((one, other) => one - other);
}
