import { DELTA_FORMAT, type Place } from "../src/wire/topics.ts";
import type { Payload } from "../src/wire/v1.ts";

/** Puts together the messages of a topic of which the server sends the difference to the one before. A page loads this file when it asks for that. */
export class Whole {
  #epoch: string | undefined;
  #offset: number | undefined;
  #bytes: Uint8Array | undefined;

  /** The format that it reads, as a subscribe names it. */
  toJSON(): typeof DELTA_FORMAT {
    return DELTA_FORMAT;
  }

  /** The message whole; undefined if it cannot be put together, because the one before is another. */
  read({ epoch, offset, base, text }: DeltaPlace, payload: Payload): Payload | undefined {
    const isBase = base !== undefined && epoch === this.#epoch && base === this.#offset;
    const bytes = base === undefined ? bytesOf(payload) : isBase ? applied(this.#bytes, bytesOf(payload)) : undefined;
    this.#epoch = bytes && epoch;
    this.#offset = offset;
    this.#bytes = bytes;
    if (!bytes || base === undefined) return bytes && payload;
    return text ? decoder.decode(bytes) : bytes;
  }
}

/** The place of a message, and that of the message to which it is the difference. */
export interface DeltaPlace extends Place {
  readonly base?: number;
  /** The whole is text. */
  readonly text?: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
const VALUES: ReadonlyMap<number, number> = new Map(
  Array.from(DIGITS, (digit, value) => [digit.charCodeAt(0), value]),
);

function bytesOf(payload: Payload): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

/** A message of which this is the delta in the format of Fossil; undefined if it is not that of this base. */
function applied(base: Uint8Array = new Uint8Array(), delta: Uint8Array): Uint8Array | undefined {
  let at = 0;
  const number = (): number => {
    let sum = 0;
    for (let value = VALUES.get(delta[at] ?? 0); value !== undefined; value = VALUES.get(delta[++at] ?? 0)) {
      sum = sum * 64 + value;
    }
    return sum;
  };
  const size = number();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (at++; at < delta.length;) {
    const count = number();
    const sign = delta[at++];
    if (sign === SEMICOLON) {
      const whole = joined(parts, bytes);
      return bytes === size && count === checksum(whole) ? whole : undefined;
    }
    const from = sign === AT ? number() : at;
    at = sign === AT ? at + 1 : at + count;
    if (sign !== AT && sign !== COLON) return undefined;
    parts.push((sign === AT ? base : delta).subarray(from, from + count));
    bytes += count;
    if (bytes > size) return undefined;
  }
  return undefined;
}

const COLON = 58;
const SEMICOLON = 59;
const AT = 64;

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The sum of the bytes as big-endian words of 32 bits. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) sum = (sum + ((bytes[at] ?? 0) << (8 * (3 - at % 4)))) | 0;
  return sum >>> 0;
}
