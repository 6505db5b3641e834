import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { within } from "./wait.ts";

/** A frame as it came over the wire. */
export interface RawFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** There if the message is compressed. */
  readonly deflated?: true;
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** A WebSocket client without manners: it sends the bytes that it is told to. */
export class RawClient {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on("error", () => {});
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("end", end);
    socket.on("close", end);
  }

  /** Connects, over TLS if there is an authority to check the server's certificate against. */
  static async connect(port: number, ca?: string): Promise<RawClient> {
    const secure = ca === undefined ? undefined : connectTls({ port, host: "127.0.0.1", ca, servername: "localhost" });
    const socket = secure ?? connect(port, "127.0.0.1");
    const client = new RawClient(socket);
    const event = secure ? "secureConnect" : "connect";
    await within("a connection", new Promise<void>((resolve) => socket.once(event, () => resolve())));
    return client;
  }

  /** Sends a handshake; `headers` replace its own, and undefined leaves one out. */
  handshake(path: string, headers: Record<string, string | undefined> = {}, method = "GET"): void {
    const all: Record<string, string | undefined> = {
      host: "127.0.0.1",
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": KEY,
      ...headers,
    };
    const lines = Object.entries(all).filter(([, value]) => value !== undefined).map(([name, value]) =>
      `${name}: ${value}`
    );
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  }

  /** The head of the response. */
  async head(): Promise<{ status: number; headers: Headers }> {
    await this.#until(() => this.#bytes.includes("\r\n\r\n"), "the head of a response");
    const end = this.#bytes.indexOf("\r\n\r\n");
    const [status = "", ...lines] = this.#bytes.subarray(0, end).toString("latin1").split("\r\n");
    this.#bytes = this.#bytes.subarray(end + 4);
    const headers = new Headers();
    for (const line of lines) {
      headers.append(line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim());
    }
    return { status: Number(status.split(" ")[1]), headers };
  }

  /** The status of the response; 0 when the server closed without one. */
  async status(): Promise<number> {
    await this.#until(() => this.#ended || this.#bytes.includes("\r\n\r\n"), "a response");
    return this.#bytes.includes("\r\n\r\n") ? (await this.head()).status : 0;
  }

  /** What came after the head, once `bytes` of it are there or the server closed. */
  async body(bytes: number): Promise<string> {
    await this.#until(() => this.#ended || this.#bytes.length >= bytes, "the body of a response");
    return this.#bytes.toString();
  }

  /** Sends one masked frame (the mask is zero). */
  frame(opcode: number, payload: Uint8Array = new Uint8Array()): void {
    const length = payload.byteLength;
    const header = length < 126 ? [0x80 | opcode, 0x80 | length] : [0x80 | opcode, 0xfe, length >> 8, length & 0xff];
    this.socket.write(Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), payload]));
  }

  /** The next frame; undefined when the connection ended. */
  async next(): Promise<RawFrame | undefined> {
    await this.#until(() => this.#ended || this.#frameLength() <= this.#bytes.length, "a frame");
    const length = this.#frameLength();
    if (length > this.#bytes.length) return undefined;
    const frame = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return {
      opcode: (frame[0] ?? 0) & 0x0f,
      ...(((frame[0] ?? 0) & 0x40) !== 0 && { deflated: true as const }),
      payload: frame.subarray(frame[1] === 127 ? 10 : frame[1] === 126 ? 4 : 2),
    };
  }

  /** Waits until the server closed the connection. */
  ended(): Promise<void> {
    return this.#until(() => this.#ended, "the end of the connection");
  }

  #frameLength(): number {
    const length = this.#bytes[1];
    if (length === undefined) return Number.POSITIVE_INFINITY;
    if (length < 126) return 2 + length;
    const head = length === 126 ? 4 : 10;
    if (this.#bytes.length < head) return Number.POSITIVE_INFINITY;
    return head + (length === 126 ? this.#bytes.readUInt16BE(2) : Number(this.#bytes.readBigUInt64BE(2)));
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    await within(
      what,
      new Promise<void>((resolve) => {
        this.#wake = () => {
          if (condition()) resolve();
        };
        this.#wake();
      }),
    );
  }
}
