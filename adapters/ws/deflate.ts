import type { CompressOptions } from "../../src/send/compression.ts";
import type { Frame } from "../../src/send/frame.ts";

/** From this size on speed counts for more than the last bytes: all clients wait meanwhile. */
const FAST_BYTES = 65_536;
const SMALL_LEVEL = 6;
const FAST_LEVEL = 1;
/** The end of what zlib flushes, which is left out (RFC 7692 section 7.2.1). */
const TAIL_BYTES = 4;

/**
 * Deflates messages for all connections of a hub that agreed to one window size (RFC 7692), each message once.
 *
 * No message refers to an earlier one, so that the same bytes are good for every connection.
 */
export class Deflater {
  readonly #others: Readonly<CompressOptions> | undefined;
  readonly #windowBits: number;
  /** The messages of this turn; undefined for one that does not get smaller. */
  readonly #deflated = new Map<Frame, Uint8Array | undefined>();

  /** `others`: which of the messages are deflated that do not say so themselves. */
  constructor(others: Readonly<CompressOptions> | undefined, windowBits: number) {
    this.#others = others;
    this.#windowBits = windowBits;
  }

  /** The bytes of a message, deflated; undefined if it is sent as it is. */
  of(frame: Frame): Uint8Array | undefined {
    const options = frame.compress === undefined ? this.#others : frame.compress;
    if (!options || frame.messageBytes < options.minBytes || frame.messageBytes > options.maxBytes) return undefined;
    if (this.#deflated.has(frame)) return this.#deflated.get(frame);
    const deflated = this.#deflate(frame);
    this.#deflated.set(frame, deflated);
    return deflated;
  }

  /** Forgets the messages: their sockets were written to. */
  forget(): void {
    this.#deflated.clear();
  }

  #deflate(frame: Frame): Uint8Array | undefined {
    const level = frame.messageBytes < FAST_BYTES ? SMALL_LEVEL : FAST_LEVEL;
    // Loaded for those alone who compress.
    const { constants, deflateRawSync } = process.getBuiltinModule("node:zlib");
    const flushed = deflateRawSync(frame.bytes, {
      level,
      windowBits: this.#windowBits,
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    const bytes = flushed.subarray(0, -TAIL_BYTES);
    return bytes.byteLength < frame.messageBytes ? bytes : undefined;
  }
}
