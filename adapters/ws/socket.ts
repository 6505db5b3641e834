import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Admission } from "../../src/door/admission.ts";
import { CloseCode } from "../../src/base/close-code.ts";
import type { Frame } from "../../src/send/frame.ts";
import type { Socket, SocketReceiver } from "../../src/client/socket.ts";
import { concat } from "./concat.ts";

/** Of each `ws` socket its {@link WsSocket}, so that all sockets share the same listeners. A map would be asked for every message. */
const SOCKET = Symbol("meshsocket");

type Marked<Emitter> = Emitter & { [SOCKET]?: WsSocket };

/**
 * A {@link Socket} over `ws`.
 *
 * `ws` reads, answers pings and closes; messages are written past it, straight to the net socket, already framed.
 * Both write to the same stream, so order holds.
 */
export class WsSocket implements Socket {
  readonly #ws: WebSocket;
  readonly #stream: Duplex;
  #receiver: SocketReceiver | undefined;
  /** The code of the close frame that `ws` sent by itself when the peer broke a rule. */
  #faultCode: number | undefined;

  private constructor(ws: WebSocket, stream: Duplex) {
    this.#ws = ws;
    this.#stream = stream;
  }

  /** Joins the hub with a connection whose 101 was just written to `stream`. */
  static open(ws: WebSocket, stream: Duplex, admission: Admission): void {
    const socket = new WsSocket(ws, stream);
    (ws as Marked<WebSocket>)[SOCKET] = socket;
    (stream as Marked<Duplex>)[SOCKET] = socket;
    ws.on("message", onMessage);
    ws.on("close", onClose);
    ws.on("error", onError);
    ws.on("ping", onControl);
    ws.on("pong", onControl);
    // Comes after the listener of `ws`, which hands on all messages of the chunk.
    stream.on("data", onHandled);
    socket.#receiver = admission.open(socket);
  }

  get bufferedAmount(): number {
    return this.#stream.writableLength;
  }

  send(frames: readonly Frame[]): number {
    if (this.#ws.readyState !== WebSocket.OPEN || !this.#stream.writable) return 0;
    this.#stream.write(concat(frames));
    return frames.length;
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  ping(): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  message(data: Buffer, isBinary: boolean): void {
    // A copy of its own: the buffer is a window on what else the socket read.
    this.#receiver?.message(isBinary ? new Uint8Array(data) : data.toString(), true);
  }

  handled(): void {
    this.#receiver?.handled();
  }

  control(): void {
    this.#receiver?.control();
  }

  failed(error: Error): void {
    this.#faultCode = faultCode(error);
  }

  closed(code: number, reason: string): void {
    this.#receiver?.closed(code === CloseCode.Abnormal ? (this.#faultCode ?? code) : code, reason);
  }
}

function onMessage(this: Marked<WebSocket>, data: unknown, isBinary: boolean): void {
  this[SOCKET]?.message(data as Buffer, isBinary);
}

function onHandled(this: Marked<Duplex>): void {
  this[SOCKET]?.handled();
}

function onControl(this: Marked<WebSocket>): void {
  this[SOCKET]?.control();
}

function onClose(this: Marked<WebSocket>, code: number, reason: Buffer): void {
  this[SOCKET]?.closed(code, reason.toString());
}

function onError(this: Marked<WebSocket>, error: Error): void {
  this[SOCKET]?.failed(error);
}

/** The close code that `ws` answers a peer's fault with; undefined for an error that is not the peer's fault. */
function faultCode(error: Error): number | undefined {
  const { code } = error as { code?: unknown };
  if (typeof code !== "string" || !code.startsWith("WS_ERR_")) return undefined;
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return CloseCode.MessageTooBig;
  if (code === "WS_ERR_INVALID_UTF8") return CloseCode.InvalidPayload;
  if (code.startsWith("WS_ERR_TOO_MANY_")) return CloseCode.PolicyViolation;
  return CloseCode.ProtocolError;
}
