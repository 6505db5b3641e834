import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { HTTP2_PREFACE } from "./goaway-filter.ts";
import { LINE_REQUEST } from "./lines.ts";

/** The kinds of connections to the RPC port. */
export type Spoken = "http1" | "http2" | "line";

const OPENINGS: readonly [Spoken, Buffer][] = [["http2", HTTP2_PREFACE], ["line", LINE_REQUEST]];

/**
 * Reads just enough of a new connection to know what it speaks, and hands it over with what was read.
 *
 * The socket is paused then. A connection that ends before it said enough is never handed over.
 */
export function sniff(socket: Socket, handOver: (spoken: Spoken, first: Buffer) => void): void {
  let first = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    first = Buffer.concat([first, chunk]);
    const spoken = spokenBy(first);
    if (spoken === undefined) return;
    socket.off("data", onData);
    socket.pause();
    handOver(spoken, first);
  };
  socket.on("data", onData);
}

/** Undefined while it may still become more than one thing: a "P" the preface or a POST. */
function spokenBy(first: Buffer): Spoken | undefined {
  for (const [spoken, opening] of OPENINGS) {
    const length = Math.min(first.length, opening.length);
    if (first.compare(opening, 0, length, 0, length) !== 0) continue;
    return length < opening.length ? undefined : spoken;
  }
  return "http1";
}
