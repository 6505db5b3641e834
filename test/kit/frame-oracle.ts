import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { type FrameSink, readFrames, type Unfinished } from "../../adapters/ws/frame-reader.ts";
import { type FrameInput, MAX_MESSAGE_BYTES } from "./frame-input.ts";

/** The part of the receiver of `ws` that is used here. */
interface WsReceiver {
  write(chunk: Buffer): boolean;
  on(event: string, listener: (...args: never[]) => void): WsReceiver;
}

// By its path: Bun has a `ws` of its own.
const require = createRequire(import.meta.url);
const Receiver = require("../../node_modules/ws/lib/receiver.js") as new (options: object) => WsReceiver;
const { kStatusCode } = require("../../node_modules/ws/lib/constants.js") as { kStatusCode: symbol };

/** The events that our reader makes of an input, a line for each. */
export function ours(input: FrameInput): string[] {
  const sink = new Lines();
  let unfinished: Unfinished | undefined;
  for (const chunk of chunksOf(input)) {
    unfinished = readFrames(chunk, unfinished, MAX_MESSAGE_BYTES, sink);
    if (sink.over) break;
  }
  return sink.lines;
}

class Lines implements FrameSink {
  readonly lines: string[] = [];
  over = false;

  message(data: string | Uint8Array): void {
    this.lines.push(messageLine(data));
  }
  pinged(payload: Uint8Array): void {
    this.lines.push(`ping ${hex(payload)}`);
  }
  ponged(): void {
    this.lines.push("pong");
  }
  peerClosed(code: number, reason: string): void {
    this.lines.push(`close ${code} ${reason}`);
    this.over = true;
  }
  fault(code: number): void {
    this.lines.push(`fault ${code}`);
    this.over = true;
  }
  fragments(): boolean {
    return true;
  }
}

/** The same by `ws`. An error of its is told later: the lines are complete after the turn. */
export function theirs(input: FrameInput): string[] {
  const lines: string[] = [];
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_MESSAGE_BYTES, allowSynchronousEvents: true });
  receiver.on("message", (data: Buffer, binary: boolean) => {
    lines.push(messageLine(binary ? new Uint8Array(data) : data.toString()));
  });
  receiver.on("ping", (payload: Buffer) => lines.push(`ping ${hex(payload)}`));
  receiver.on("pong", () => lines.push("pong"));
  let over = false;
  receiver.on("conclude", (code: number, reason: Buffer) => {
    lines.push(`close ${code} ${reason.toString()}`);
    over = true;
  });
  receiver.on("error", (error: Record<symbol, unknown>) => lines.push(`fault ${String(error[kStatusCode])}`));
  for (const chunk of chunksOf(input)) {
    if (!over) receiver.write(chunk);
  }
  return lines;
}

/**
 * Compares two readings of one input; undefined if they agree.
 *
 * One difference is meant: invalid text fails here at the chunk that makes it invalid, there at the end of its message. So
 * a reading of ours that ends with 1007 has to be the beginning of theirs, in which that text must not have been taken.
 */
export function difference(our: readonly string[], their: readonly string[]): string | undefined {
  const last = our.at(-1);
  const agree = last === "fault 1007"
    ? startsWith(their, our.slice(0, -1)) && !takesText(their.slice(our.length - 1))
    : our.length === their.length && startsWith(their, our);
  return agree ? undefined : `ours:\n  ${our.join("\n  ")}\ntheirs:\n  ${their.join("\n  ")}`;
}

function startsWith(lines: readonly string[], begin: readonly string[]): boolean {
  return begin.every((line, index) => lines[index] === line);
}

/** Whether the next message or end is a text, or a close frame with its reason, that was found to be good. */
function takesText(lines: readonly string[]): boolean {
  const next = lines.find((line) => !/^p[io]ng/.test(line)) ?? "";
  return next.startsWith("text ");
}

function chunksOf({ bytes, cuts }: FrameInput): Buffer[] {
  const ends = [...cuts, bytes.length];
  // Copies: a reader takes the mask off in place.
  return ends.map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end))).filter(({ length }) =>
    length > 0
  );
}

function messageLine(data: string | Uint8Array): string {
  return typeof data === "string" ? `text ${data}` : `bytes ${hex(data)}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
