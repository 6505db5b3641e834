/** From this many bytes on, the mask is taken off by words: the views cost more than they save before. */
const MIN_WORD_BYTES = 192;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Takes the mask off some bytes, in place (RFC 6455 section 5.3).
 *
 * `key` holds the four bytes of the mask, the first one lowest. Returns all unmasked bytes joined by OR: below 128 if and
 * only if they are ASCII.
 */
export function unmask(bytes: Uint8Array, from: number, to: number, key: number): number {
  return LITTLE_ENDIAN && to - from >= MIN_WORD_BYTES ? byWords(bytes, from, to, key) : byBytes(bytes, from, to, key);
}

/** The key for the bytes that follow the first `count` of a payload. */
export function rotate(key: number, count: number): number {
  const bits = (count & 3) * 8;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

function byBytes(bytes: Uint8Array, from: number, to: number, key: number): number {
  const [first, second, third, fourth] = [key & 255, (key >>> 8) & 255, (key >>> 16) & 255, key >>> 24];
  let seen = 0;
  let at = from;
  for (; at + 3 < to; at += 4) {
    seen |= (bytes[at] = (bytes[at] as number) ^ first) | (bytes[at + 1] = (bytes[at + 1] as number) ^ second) |
      (bytes[at + 2] = (bytes[at + 2] as number) ^ third) | (bytes[at + 3] = (bytes[at + 3] as number) ^ fourth);
  }
  for (let rest = key; at < to; at++, rest >>>= 8) seen |= bytes[at] = (bytes[at] as number) ^ (rest & 255);
  return seen;
}

function byWords(bytes: Uint8Array, from: number, to: number, key: number): number {
  const { buffer, byteOffset } = bytes;
  const head = -(byteOffset + from) & 3;
  const words = new Int32Array(buffer, byteOffset + from + head, (to - from - head) >> 2);
  const wordKey = rotate(key, head);
  let seen = 0;
  for (let at = 0; at < words.length; at++) seen |= words[at] = (words[at] as number) ^ wordKey;
  const end = from + head + words.length * 4;
  return byBytes(bytes, from, from + head, key) | byBytes(bytes, end, to, wordKey) | fold(seen);
}

function fold(word: number): number {
  return (word | (word >>> 8) | (word >>> 16) | (word >>> 24)) & 255;
}
