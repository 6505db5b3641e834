import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The types of frames (RFC 9113 section 6). */
export const H2 = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;

/** One HTTP/2 frame. */
export function h2Frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header block of literals (RFC 7541 section 6.2.2). */
export function h2Headers(headers: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]);
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length: number[] = [];
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    for (rest -= 127; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A frame that a server sent. */
export interface H2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What a connection may send before it is told of more (RFC 9113 section 6.9.2). */
const FIRST_WINDOW_BYTES = 65_535;

/** A client without manners of an HTTP/2 port: it sends the frames that it is told to. */
export class RawH2 {
  readonly socket: Socket;
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>;
  /** What the server said, as it came. */
  answer = "";
  /** The whole frames of it. */
  readonly frames: H2Frame[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #sentBytes = 0;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: Buffer) => {
      this.answer += chunk.toString("latin1");
      this.#read(chunk);
    });
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    this.socket.write(Buffer.concat([PREFACE, h2Frame(H2.SETTINGS, 0, 0)]));
  }

  /** Bytes of data that the connection may send now, as the server granted them. */
  get room(): number {
    const granted = this.frames.filter(({ type, stream }) => type === H2.WINDOW_UPDATE && stream === 0);
    return granted.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), FIRST_WINDOW_BYTES) - this.#sentBytes;
  }

  send(...frames: readonly Buffer[]): void {
    if (this.socket.destroyed) return;
    for (const frame of frames) if (frame[3] === H2.DATA) this.#sentBytes += frame.length - 9;
    this.socket.write(Buffer.concat(frames));
  }

  /** The frames of a stream of one type. */
  of(stream: number, type: number): H2Frame[] {
    return this.frames.filter((frame) => frame.stream === stream && frame.type === type);
  }

  #read(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      const [type = 0, flags = 0] = bytes.subarray(3, 5);
      this.frames.push({ type, flags, stream: bytes.readUInt32BE(5), payload: bytes.subarray(9, end) });
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}
