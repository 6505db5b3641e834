import { Buffer, isUtf8 } from "node:buffer";
import { CloseCode } from "../../src/base/close-code.ts";

const CLOSE = 0x88;

/** The meaning of the payload of a peer's close frame; `fault` is the code to fail the connection with. */
export interface PeerClose {
  readonly code: number;
  readonly reason: string;
  readonly fault?: number;
}

/** Reads the payload of a close frame, which is never one byte long (RFC 6455 section 5.5.1). */
export function readClose(payload: Uint8Array): PeerClose {
  if (payload.byteLength === 0) return { code: CloseCode.NoStatus, reason: "" };
  const code = ((payload[0] as number) << 8) | (payload[1] as number);
  if (!isPeerCode(code)) return { code, reason: "", fault: CloseCode.ProtocolError };
  const reason = payload.subarray(2);
  if (!isUtf8(reason)) return { code, reason: "", fault: CloseCode.InvalidPayload };
  return { code, reason: Buffer.from(reason).toString() };
}

/** A close frame as it goes over the wire; without a payload for 1005. */
export function closeFrame(code: number, reason: string): Buffer {
  if (code === CloseCode.NoStatus) return Buffer.of(CLOSE, 0);
  const reasonBytes = Buffer.byteLength(reason);
  const frame = Buffer.allocUnsafe(4 + reasonBytes);
  frame[0] = CLOSE;
  frame[1] = 2 + reasonBytes;
  frame.writeUInt16BE(code, 2);
  frame.write(reason, 4);
  return frame;
}

/** Whether a peer may send the code (RFC 6455 section 7.4, and IANA's registry up to 1014). */
function isPeerCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== CloseCode.NoStatus && code !== CloseCode.Abnormal;
}
