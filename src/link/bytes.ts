const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** A UTF-16 unit never takes more bytes of UTF-8 than this. */
const MAX_UNIT_BYTES = 3;

/** The most bytes that a text can take as UTF-8. */
export function textBytes(text: string): number {
  return text.length * MAX_UNIT_BYTES;
}

/** Writes numbers (little-endian), texts and bytes one after the other into memory of a given size. */
export class PackWriter {
  /** Bytes written. */
  at = 0;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** `room` is the most that will be written. */
  constructor(room: number) {
    this.#bytes = new Uint8Array(room);
  }

  u8(value: number): void {
    this.#bytes[this.at++] = value;
  }

  u32(value: number): void {
    this.u32At(this.at, value);
    this.at += 4;
  }

  /** Writes over what stands at an earlier place. */
  u32At(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  u64(value: bigint): void {
    this.u32(Number(value & 0xffff_ffffn));
    this.u32(Number((value >> 32n) & 0xffff_ffffn));
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.at);
    this.at += value.byteLength;
  }

  /** A text of less than 65,536 bytes, with its length (u16) in front. */
  text(value: string): void {
    const bytes = this.#bytes;
    const start = this.at + 2;
    let at = start;
    // As if it were ASCII, which most names are: a call of the encoder takes longer than a short name.
    for (let unit = 0; unit < value.length; unit++) {
      const code = value.charCodeAt(unit);
      if (code > 0x7f) {
        at = start + encoder.encodeInto(value, bytes.subarray(start)).written;
        break;
      }
      bytes[at++] = code;
    }
    bytes[this.at] = at - start;
    bytes[this.at + 1] = (at - start) >>> 8;
    this.at = at;
  }

  /** The bytes that were written. */
  taken(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.at);
  }
}

/** Reads what a {@link PackWriter} wrote. Every method throws a RangeError where the bytes end too early. */
export class PackReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes not yet read. */
  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u16(): number {
    const at = this.#take(2);
    return readU16(this.#bytes, at);
  }

  u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }

  u64(): bigint {
    const low = this.u32();
    return BigInt(low) | (BigInt(this.u32()) << 32n);
  }

  /** A view, no copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  text(): string {
    return decoder.decode(this.bytes(this.u16()));
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.left) throw new RangeError("the bytes end too early");
    this.#at += bytes;
    return at;
  }
}

function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0;
}

const LENGTH_BYTES = 4;
const NOTHING = new Uint8Array(0);

/** Cuts a stream of bytes into messages, each with its length (u32) in front. */
export class MessageSplitter {
  readonly #maxBytes: number;
  /** The start of a length. */
  #head: Uint8Array = NOTHING;
  /** A message with its length, of which `#filled` bytes came. */
  #partial: Uint8Array | undefined;
  #filled = 0;

  /** `maxBytes` is the most that a message may have. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Hands on each message that is whole, without its length, as a view. Throws a RangeError for one that is too long. */
  split(chunk: Uint8Array, message: (bytes: Uint8Array) => void): void {
    let bytes = this.#goOn(chunk, message);
    while (bytes.byteLength >= LENGTH_BYTES) {
      const length = readU32(bytes, 0);
      if (length > this.#maxBytes) throw new RangeError("the message is too long");
      const end = LENGTH_BYTES + length;
      if (bytes.byteLength < end) {
        this.#partial = new Uint8Array(end);
        this.#partial.set(bytes);
        this.#filled = bytes.byteLength;
        return;
      }
      message(bytes.subarray(LENGTH_BYTES, end));
      bytes = bytes.subarray(end);
    }
    if (bytes.byteLength > 0) this.#head = bytes.slice();
  }

  /** Completes what the last chunk began; returns what follows it. */
  #goOn(chunk: Uint8Array, message: (bytes: Uint8Array) => void): Uint8Array {
    const partial = this.#partial;
    if (!partial) {
      const head = this.#head;
      this.#head = NOTHING;
      return head.byteLength > 0 ? join(head, chunk) : chunk;
    }
    const piece = chunk.subarray(0, partial.byteLength - this.#filled);
    partial.set(piece, this.#filled);
    this.#filled += piece.byteLength;
    if (this.#filled < partial.byteLength) return NOTHING;
    this.#partial = undefined;
    message(partial.subarray(LENGTH_BYTES));
    return chunk.subarray(piece.byteLength);
  }
}

function join(one: Uint8Array, other: Uint8Array): Uint8Array {
  const joined = new Uint8Array(one.byteLength + other.byteLength);
  joined.set(one);
  joined.set(other, one.byteLength);
  return joined;
}
