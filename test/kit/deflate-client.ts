import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { frameOf } from "../security/target.ts";
import { RawClient, type RawFrame } from "./raw.ts";

const TAIL = Buffer.of(0, 0, 0xff, 0xff);
const SYNC = { finishFlush: constants.Z_SYNC_FLUSH };

/** The offers of a browser. */
export const BROWSER_OFFER = "permessage-deflate; client_max_window_bits";

/** The bytes of a message, compressed as a client sends them. */
export function deflated(message: string | Uint8Array, windowBits = 15): Buffer {
  return deflateRawSync(message, { ...SYNC, windowBits }).subarray(0, -TAIL.length);
}

/** The message of a frame, which a window of so many bits is enough for. */
export function messageOf(frame: RawFrame, windowBits = 15): Buffer {
  if (!frame.deflated) return frame.payload;
  return inflateRawSync(Buffer.concat([frame.payload, TAIL]), { ...SYNC, windowBits });
}

/** A client that offers permessage-deflate, and speaks it if the server agreed. */
export class DeflateClient {
  readonly raw: RawClient;
  /** The answer of the server; null if it agreed to nothing. */
  readonly answer: string | null;

  private constructor(raw: RawClient, answer: string | null) {
    this.raw = raw;
    this.answer = answer;
  }

  static async open(port: number, offer: string = BROWSER_OFFER): Promise<DeflateClient> {
    const raw = await RawClient.connect(port);
    raw.handshake("/ws", { "sec-websocket-extensions": offer });
    const { status, headers } = await raw.head();
    if (status !== 101) throw new Error(`the handshake was answered with ${status}`);
    return new DeflateClient(raw, headers.get("sec-websocket-extensions"));
  }

  get agreed(): boolean {
    return this.answer !== null;
  }

  /** Sends a message in fragments of at most so many bytes. */
  send(message: string | Uint8Array, { fragmentBytes = Infinity, windowBits = 15 }: Sending = {}): void {
    const payload = this.agreed ? deflated(message, windowBits) : Buffer.from(message);
    const rsv = this.agreed ? 4 : 0;
    const frames: Buffer[] = [];
    for (let at = 0; at === 0 || at < payload.length; at += fragmentBytes) {
      const fin = at + fragmentBytes >= payload.length;
      const opcode = at > 0 ? 0 : typeof message === "string" ? 1 : 2;
      const part = payload.subarray(at, fin ? undefined : at + fragmentBytes);
      frames.push(frameOf(opcode, part, { fin, rsv: at > 0 ? 0 : rsv }));
    }
    this.raw.socket.write(Buffer.concat(frames));
  }

  /** The next frame, which must come. */
  async frame(): Promise<RawFrame> {
    const frame = await this.raw.next();
    if (!frame) throw new Error("the connection ended");
    return frame;
  }

  close(): void {
    this.raw.socket.destroy();
  }
}

interface Sending {
  readonly fragmentBytes?: number;
  readonly windowBits?: number;
}
