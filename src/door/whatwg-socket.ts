import type { Admission } from "./admission.ts";
import { utf8Bytes } from "../base/check/check.ts";
import { CloseCode } from "../base/close-code.ts";
import type { Frame } from "../send/frame.ts";
import type { Limits } from "../base/limits.ts";
import type { Socket, SocketReceiver } from "../client/socket.ts";

const OPEN = 1;

/**
 * The parts of a `WebSocket` that a {@link WhatwgSocket} uses, so that a runtime's own class, either end of a `WebSocketPair`
 * (accepted before it is attached) and an in-memory pair all fit.
 */
export interface WebSocketLike {
  readonly readyState: number;
  /** Missing on some edge runtimes: then back-pressure cannot be seen. */
  readonly bufferedAmount?: number;
  binaryType?: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Cuts the connection, where the engine can. */
  terminate?(): void;
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: Event) => void): void;
}

/**
 * A {@link Socket} over any WHATWG `WebSocket`.
 *
 * Such an engine has no size limit of its own, so a message over the limit is seen only when it is there, and closed
 * with 1009 then. Where it has no `terminate`, the closing handshake is started and the peer treated as gone.
 */
export class WhatwgSocket implements Socket {
  readonly #ws: WebSocketLike;
  readonly #maxMessageBytes: number;
  #receiver: SocketReceiver | undefined;
  #closing = false;

  constructor(ws: WebSocketLike, maxMessageBytes: number) {
    this.#ws = ws;
    this.#maxMessageBytes = maxMessageBytes;
    ws.binaryType = "arraybuffer";
  }

  /** Joins the hub, and passes on from now on what the `WebSocket` says. */
  open(admission: Admission): void {
    this.#receiver = admission.open(this);
    this.#ws.addEventListener("message", (event) => this.#message((event as MessageEvent<unknown>).data));
    this.#ws.addEventListener("close", (event) => this.#closed(event as CloseEvent));
    // An engine says nothing here that the close event after it does not.
    this.#ws.addEventListener("error", () => {});
  }

  get bufferedAmount(): number {
    return this.#ws.bufferedAmount ?? 0;
  }

  send(frames: readonly Frame[]): number {
    for (const [index, frame] of frames.entries()) {
      if (this.#ws.readyState !== OPEN) return index;
      try {
        this.#ws.send(frame.payload);
      } catch {
        return index;
      }
    }
    return frames.length;
  }

  close(code: number, reason: string): void {
    this.#closing = true;
    try {
      this.#ws.close(code, reason);
    } catch {
      // An engine that keeps to the browser's list of codes: closed without one is better than not closed.
      this.#closeBare();
    }
  }

  terminate(): void {
    if (this.#ws.terminate) this.#ws.terminate();
    else this.#closeBare();
    this.#closing = true;
    queueMicrotask(() => this.#gone(CloseCode.Abnormal, ""));
  }

  #closeBare(): void {
    try {
      this.#ws.close();
    } catch {
      // Closed already.
    }
  }

  #message(data: unknown): void {
    if (this.#closing) return;
    const message = typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer);
    if (isLonger(message, this.#maxMessageBytes)) this.close(CloseCode.MessageTooBig, "");
    else this.#receiver?.message(message);
  }

  #closed(event: CloseEvent): void {
    // Deno shows a lost connection as 0, and one that answered no ping as its own going away.
    const lost = !event.code || (event.code === CloseCode.GoingAway && !event.wasClean);
    if (lost) this.#gone(CloseCode.Abnormal, "");
    else this.#gone(event.code, event.reason);
  }

  #gone(code: number, reason: string): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#closing = true;
    receiver?.closed(code, reason);
  }
}

function isLonger(message: string | Uint8Array, limit: number): boolean {
  if (typeof message !== "string") return message.byteLength > limit;
  // A UTF-16 unit is one to three bytes: most texts need no count.
  if (message.length * 3 <= limit) return false;
  return message.length > limit || utf8Bytes(message) > limit;
}

/** Makes an open `WebSocket` the connection of an admission. */
export function openWebSocket(ws: WebSocketLike, admission: Admission, limits: Readonly<Limits>): void {
  new WhatwgSocket(ws, limits.maxMessageBytes).open(admission);
}

/**
 * Makes a `WebSocket` the connection of an admission as soon as it is open.
 * One that does not open within the limit's `upgradeTimeoutMs` is closed and the admission cancelled.
 */
export function attachWebSocket(ws: WebSocketLike, admission: Admission, limits: Readonly<Limits>): void {
  if (ws.readyState === OPEN) {
    openWebSocket(ws, admission, limits);
    return;
  }
  let pending = true;
  const settle = (opened: boolean): void => {
    if (!pending) return;
    pending = false;
    clearTimeout(timer);
    if (opened) openWebSocket(ws, admission, limits);
    else admission.cancel();
  };
  const timer = setTimeout(() => {
    settle(false);
    ws.close();
  }, limits.upgradeTimeoutMs);
  ws.addEventListener("open", () => settle(true));
  ws.addEventListener("close", () => settle(false));
  ws.addEventListener("error", () => settle(false));
}
