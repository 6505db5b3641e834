import { Buffer, isUtf8 } from "node:buffer";
import { CloseCode } from "../../src/base/close-code.ts";

/** The end of a compressed message, which its sender leaves out (RFC 7692 section 7.2.1). */
const TAIL = Uint8Array.of(0, 0, 0xff, 0xff);

/**
 * Inflates a message. Returns its bytes, or the code of the peer's fault: it would be over `maxBytes`, beyond which nothing is
 * inflated, or is not compressed as agreed.
 */
export function inflate(bytes: Uint8Array, maxBytes: number): Buffer | number {
  // Loaded for those alone who compress.
  const { constants, inflateRawSync } = process.getBuiltinModule("node:zlib");
  try {
    const whole = Buffer.concat([bytes, TAIL]);
    return inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: maxBytes });
  } catch (error) {
    const tooBig = (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
    return tooBig ? CloseCode.MessageTooBig : CloseCode.InvalidPayload;
  }
}

/** The message that the inflated bytes are, or the code of the peer's fault: text that is not UTF-8. */
export function messageOf(bytes: Buffer, binary: boolean): string | Uint8Array | number {
  // A copy: a short message would keep all the room that it was inflated into.
  if (binary) return new Uint8Array(bytes);
  return isUtf8(bytes) ? bytes.toString("utf8") : CloseCode.InvalidPayload;
}
