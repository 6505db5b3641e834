import { isUtf8 } from "node:buffer";

/**
 * Checks UTF-8 that comes piece by piece.
 *
 * Returns the end of the last whole character of `bytes` between `from` and `to`, so that the next check can start there, or
 * -1 if they can no longer become valid: an overlong form, a surrogate, a code point over U+10FFFF or a stray byte.
 */
export function checkUtf8(bytes: Uint8Array, from: number, to: number): number {
  const end = endOfWhole(bytes, from, to);
  if (!isUtf8(bytes.subarray(from, end))) return -1;
  return end === to || canGoOn(bytes[end] as number, end + 1 < to ? bytes[end + 1] : undefined) ? end : -1;
}

/** Where a character begins whose last bytes are missing; `to` if there is none. */
function endOfWhole(bytes: Uint8Array, from: number, to: number): number {
  for (let at = to - 1; at >= from && at >= to - 3; at--) {
    const byte = bytes[at] as number;
    if ((byte & 0xc0) === 0x80) continue;
    return at + lengthOf(byte) > to ? at : to;
  }
  return to;
}

/** How many bytes a character has, by its first byte. */
function lengthOf(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** Whether a character can begin with these bytes (Unicode 15, table 3-7). */
function canGoOn(first: number, second: number | undefined): boolean {
  if (first < 0xc2 || first > 0xf4) return false;
  if (second === undefined) return true;
  if (first === 0xe0) return second >= 0xa0;
  if (first === 0xed) return second < 0xa0;
  if (first === 0xf0) return second >= 0x90;
  return first !== 0xf4 || second < 0x90;
}
