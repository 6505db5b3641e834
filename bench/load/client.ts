import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { clientFrame, FrameCounter } from "./frames.ts";
import { ACK_MESSAGES } from "../../src/wire/v1.ts";
import type { Dialect } from "./job.ts";
import { type LoadSocket, openSocket } from "./socket.ts";

const END_OF_HEAD = "\r\n\r\n";
const PONG = clientFrame("3");
/** The first byte of a ping of WebSocket, of which a server here sends nothing else at the same time. */
const PING = 0x89;
const PING_BYTES = 2;
/** Its answer, with a mask of zeros. */
const PONG_FRAME = Buffer.of(0x8a, 0x80, 0, 0, 0, 0);
/** A client that sends something acknowledges first if it received so many messages. */
const EARLY_ACK_MESSAGES = 32;

const DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/** The address of a server, and the first words to it. */
export interface ClientOptions {
  host: string;
  port: number;
  dialect: Dialect;
  id: string;
  topic: string;
  tls: boolean;
  /** Offers permessage-deflate. */
  deflate: boolean;
  /** Whole messages that came. */
  onFrames: (client: LoadClient, frames: number) => void;
  onLost: (client: LoadClient) => void;
}

/** A WebSocket client that writes frames made before and only counts the messages that come back. */
export class LoadClient {
  readonly index: number;
  /** Messages that came since the run began. */
  received = 0;
  /** Bytes that came since then. */
  receivedBytes = 0;
  /** Set by a shape: the frame that this client sends, and the group that its deliveries count for. */
  frame: Buffer = Buffer.alloc(0);
  readonly #options: ClientOptions;
  readonly #counter = new FrameCounter();
  #socket: LoadSocket | undefined;
  #head = "";
  #open: ((error?: Error) => void) | undefined;
  #upgraded = false;
  /** Counted lines of meshsocket.v1 that came before the run. */
  #before = 0;
  #acked = 0;

  constructor(index: number, options: ClientOptions) {
    this.index = index;
    this.#options = options;
  }

  /** Resolves when the server would take messages. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#open = (error) => (error ? reject(error) : resolve());
      this.#socket = openSocket(this.#options.host, this.#options.port, this.#options.tls, {
        opened: () => this.#socket?.write(Buffer.from(this.#request())),
        data: (chunk, length) => this.#chunk(chunk, length),
        closed: (why) => {
          this.#open?.(why);
          this.#open = undefined;
          this.#options.onLost(this);
        },
      });
    });
  }

  send(times = 1): void {
    this.#acknowledge(EARLY_ACK_MESSAGES);
    if (times === 1) this.#socket?.write(this.frame);
    else {this.#socket?.write(
        Buffer.concat(Array.from({ length: times }, () => this.frame)),
      );}
  }

  /** Reads nothing any more. */
  stall(): void {
    this.#socket?.pause();
  }

  close(): void {
    this.#socket?.close();
  }

  #request(): string {
    const { dialect, id, topic, host, port, deflate } = this.#options;
    const query = `id=${id}&topic=${dialect === "tagged" ? "" : topic}`;
    const path = dialect === "socketio" ? `/socket.io/?EIO=4&transport=websocket&${query}` : `/?${query}`;
    const v1 = dialect === "v1" || dialect === "tagged" ? "Sec-WebSocket-Protocol: meshsocket.v1\r\n" : "";
    return `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `${v1}${deflate ? DEFLATE : ""}Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n` +
      "Sec-WebSocket-Version: 13\r\n\r\n";
  }

  #chunk(chunk: Uint8Array, bytes: number): void {
    if (this.#open) {
      this.#greeting(Buffer.from(chunk.subarray(0, bytes)).toString("latin1"));
      return;
    }
    // Socket.IO closes whoever leaves its ping, the only short message, unanswered.
    if (
      this.#options.dialect === "socketio" && bytes === 3 && chunk[2] === 0x32
    ) this.#socket?.write(PONG);
    // An idle client that does not answer the server's ping is cut.
    if (bytes === PING_BYTES && chunk[0] === PING) return this.#socket?.write(PONG_FRAME);
    this.receivedBytes += bytes;
    const frames = this.#counter.count(chunk, 0, bytes);
    if (frames > 0) {
      this.received += frames;
      this.#acknowledge(ACK_MESSAGES);
      this.#options.onFrames(this, frames);
    }
  }

  /** As meshsocket.v1 asks for, after so many messages. */
  #acknowledge(messages: number): void {
    const { dialect } = this.#options;
    if (dialect === "plain" || dialect === "socketio" || this.received - this.#acked < messages) return;
    this.#acked = this.received;
    this.#socket?.write(clientFrame(`~ack ${this.#before + this.received}`));
  }

  /** The 101, and with Socket.IO and meshsocket.v1 their own handshakes. */
  #greeting(text: string): void {
    this.#head += text;
    if (!this.#upgraded) {
      const end = this.#head.indexOf(END_OF_HEAD);
      if (end < 0) return;
      if (!this.#head.startsWith("HTTP/1.1 101")) {
        return this.#open?.(new Error(this.#head.split("\r\n", 1)[0]));
      }
      this.#upgraded = true;
      this.#head = this.#head.slice(end + END_OF_HEAD.length);
      if (this.#options.dialect === "plain") return this.#opened();
    }
    if (this.#options.dialect !== "socketio") return this.#hello();
    if (this.#head.includes("0{") && !this.#head.includes("40{")) {
      this.#socket?.write(clientFrame("40"));
      this.#head = "";
    } else if (this.#head.includes("40{")) this.#opened();
  }

  #hello(): void {
    const { dialect, topic } = this.#options;
    if (!/~hello \{.*\}/.test(this.#head)) return;
    const subscribes = dialect === "tagged" && topic !== "";
    if (this.#before === 0) {
      this.#before = 1;
      this.#socket?.write(clientFrame("~ack 0"));
      if (subscribes) this.#socket?.write(clientFrame(`~subscribe 1 ${JSON.stringify({ topic })}`));
    }
    if (subscribes && !this.#head.includes("~subscribed 1 {}")) return;
    this.#before = subscribes ? 1 : 0;
    this.#opened();
  }

  #opened(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.();
  }
}
