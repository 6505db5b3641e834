import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { HTTP2_PREFACE } from "./goaway-filter.ts";

/**
 * Reads just enough of a new connection to know what it speaks, and hands it over with what was read.
 *
 * The socket is paused then. A connection that ends before it said enough is never handed over.
 */
export function sniff(socket: Socket, handOver: (isHttp2: boolean, first: Buffer) => void): void {
  let first = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    first = Buffer.concat([first, chunk]);
    const length = Math.min(first.length, HTTP2_PREFACE.length);
    const isHttp2 = first.compare(HTTP2_PREFACE, 0, length, 0, length) === 0;
    // A "P" may still become a POST.
    if (isHttp2 && length < HTTP2_PREFACE.length) return;
    socket.off("data", onData);
    socket.pause();
    handOver(isHttp2, first);
  };
  socket.on("data", onData);
}
