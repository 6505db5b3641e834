import type { WebSocketLike } from "./whatwg-socket.ts";

const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
const NO_STATUS = 1005;
const ABNORMAL = 1006;

/**
 * One end of an in-memory connection, shaped like a browser's `WebSocket`.
 *
 * Everything arrives at the other end in a microtask of its own, in order, so that tests need neither ports nor time.
 */
export class MemoryWebSocket extends EventTarget implements WebSocketLike {
  /** Accepted and ignored: bytes always arrive as an ArrayBuffer. */
  binaryType = "arraybuffer";
  #peer: MemoryWebSocket | undefined;
  #readyState = OPEN;
  #stalled = false;
  #bufferedAmount = 0;
  #inbox: (() => void)[] = [];

  /** Two ends of one open connection. */
  static pair(): [MemoryWebSocket, MemoryWebSocket] {
    const one = new MemoryWebSocket();
    const other = new MemoryWebSocket();
    one.#peer = other;
    other.#peer = one;
    return [one, other];
  }

  get readyState(): number {
    return this.#readyState;
  }

  /** Bytes that the other end has not read, because it is stalled. */
  get bufferedAmount(): number {
    return this.#bufferedAmount;
  }

  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.#readyState !== OPEN) return;
    const copy = typeof data === "string" ? data : copyBytes(data);
    const bytes = typeof copy === "string" ? copy.length : copy.byteLength;
    this.#bufferedAmount += bytes;
    this.#toPeer((peer) => {
      this.#bufferedAmount -= bytes;
      if (peer.#readyState === OPEN) peer.#dispatch("message", { data: copy });
    });
  }

  close(code: number = NO_STATUS, reason = ""): void {
    if (this.#readyState !== OPEN) return;
    this.#readyState = CLOSING;
    this.#toPeer((peer) => {
      // The peer answers with the same code, unless it had started to close itself.
      peer.#end(code, reason, true);
      peer.#toPeer((self) => self.#end(code, reason, true));
    });
  }

  /** Cuts the connection: both ends see 1006, and what was under way is lost. */
  terminate(): void {
    const peer = this.#peer;
    this.#inbox = [];
    queueMicrotask(() => this.#end(ABNORMAL, "", false));
    if (!peer) return;
    peer.#inbox = [];
    queueMicrotask(() => peer.#end(ABNORMAL, "", false));
  }

  /** Stops reading: what the other end sends stays in its `bufferedAmount`. */
  stall(): void {
    this.#stalled = true;
  }

  /** Reads again. */
  unstall(): void {
    this.#stalled = false;
    for (const _ of this.#inbox) queueMicrotask(() => this.#receive());
  }

  #toPeer(deliver: (peer: MemoryWebSocket) => void): void {
    const peer = this.#peer;
    if (!peer) return;
    peer.#inbox.push(() => deliver(peer));
    queueMicrotask(() => peer.#receive());
  }

  #receive(): void {
    if (!this.#stalled) this.#inbox.shift()?.();
  }

  #end(code: number, reason: string, wasClean: boolean): void {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CLOSED;
    this.#dispatch("close", { code, reason, wasClean });
  }

  #dispatch(type: string, properties: object): void {
    this.dispatchEvent(Object.assign(new Event(type), properties));
  }
}

function copyBytes(data: ArrayBuffer | ArrayBufferView): ArrayBuffer {
  if (data instanceof ArrayBuffer) return data.slice(0);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
}
