import type { Admission } from "../../src/door/admission.ts";
import { CloseCode } from "../../src/base/close-code.ts";
import type { Frame } from "../../src/send/frame.ts";
import type { Hub } from "../../src/hub/hub.ts";
import type { Socket, SocketReceiver } from "../../src/client/socket.ts";
import { warnUncompressed } from "../shared/warn-uncompressed.ts";
import { checkHub } from "../shared/upgrade-options.ts";
import type { BunWebSocket, BunWebSocketHandler } from "./engine.ts";

const OPEN = 1;
const MAX_UINT32 = 4_294_967_295;

/** A {@link Socket} over Bun's own WebSocket; it is that WebSocket's `data`. */
export class BunSocket implements Socket {
  /** Let go of once the connection is open: it holds what the upgrade was decided by. */
  #admission: Admission | undefined;
  #ws: BunWebSocket<BunSocket> | undefined;
  #receiver: SocketReceiver | undefined;
  /** Bun may call `close` from within a method of ours; what it said waits until that has returned. */
  #calling = false;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  get bufferedAmount(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  send(frames: readonly Frame[]): number {
    const ws = this.#ws;
    if (!ws || ws.readyState !== OPEN) return 0;
    const [first] = frames;
    if (first && frames.length === 1) return sendFrame(ws, first) ? 1 : 0;
    let taken = 0;
    ws.cork(() => {
      while (taken < frames.length && sendFrame(ws, frames[taken] as Frame)) taken++;
    });
    return taken;
  }

  close(code: number, reason: string): void {
    this.#call((ws) => ws.close(code, reason));
  }

  terminate(): void {
    this.#call((ws) => ws.terminate());
  }

  ping(): void {
    if (this.#ws?.readyState === OPEN) this.#call((ws) => void ws.ping());
  }

  #call(method: (ws: BunWebSocket<BunSocket>) => void): void {
    if (!this.#ws) return;
    this.#calling = true;
    method(this.#ws);
    this.#calling = false;
  }

  opened(ws: BunWebSocket<BunSocket>): void {
    this.#ws = ws;
    ws.binaryType = "uint8array";
    this.#receiver = this.#admission?.open(this);
    this.#admission = undefined;
  }

  message(message: string | Uint8Array): void {
    this.#receiver?.message(message);
  }

  control(): void {
    this.#receiver?.control();
  }

  closed(code: number, reason: string): void {
    if (this.#calling) queueMicrotask(() => this.#gone(code, reason));
    else this.#gone(code, reason);
  }

  #gone(code: number, reason: string): void {
    this.#ws = undefined;
    const fault = code === CloseCode.Abnormal ? faultCode(reason) : undefined;
    if (fault === undefined) this.#receiver?.closed(code, code === CloseCode.Abnormal ? "" : reason);
    else this.#receiver?.closed(fault, "");
  }
}

/** Whether Bun took the frame: it answers the bytes that it sent, or -1 when it queued them, or 0 when it dropped them. */
function sendFrame(ws: BunWebSocket<BunSocket>, frame: Frame): boolean {
  const sent = frame.binary ? ws.sendBinary(frame.bytes) : ws.sendText(frame.payload as string);
  return sent !== 0 || frame.messageBytes === 0;
}

/** The code that Bun closed with when the peer broke a rule, of which it tells the server only in words. */
function faultCode(reason: string): number | undefined {
  if (reason === "Received too big message") return CloseCode.MessageTooBig;
  if (reason === "Received invalid UTF-8") return CloseCode.InvalidPayload;
  return reason.startsWith("Received ") ? CloseCode.ProtocolError : undefined;
}

/** The `websocket` of `Bun.serve` for a hub: the handlers that all its sockets share, within its limits. */
export function websocket<Data>(hub: Hub<Data>): BunWebSocketHandler<unknown> {
  checkHub("websocket(hub)", hub);
  const { limits } = hub;
  warnUncompressed(hub, "Bun");
  const handler: BunWebSocketHandler<BunSocket> = {
    maxPayloadLength: limits.maxMessageBytes,
    // The hub keeps the limit; Bun's own lies beyond what the hub can let through.
    backpressureLimit: Math.min(MAX_UINT32, 2 * (limits.maxBufferedBytes + limits.maxMessageBytes)),
    closeOnBackpressureLimit: false,
    // The hub pings, and notices who does not answer.
    idleTimeout: 0,
    sendPings: false,
    // Bun would deflate a message for each socket: docs/compression.md.
    perMessageDeflate: false,
    open: (ws) => ws.data.opened(ws),
    message: (ws, message) => ws.data.message(message),
    ping: (ws) => ws.data.control(),
    pong: (ws) => ws.data.control(),
    close: (ws, code, reason) => ws.data.closed(code, reason),
  };
  return handler;
}
