import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { type FrameSink, readFrames, type Unfinished } from "../../adapters/ws/frame-reader.ts";
import { inflate, messageOf } from "../../adapters/ws/inflate.ts";
import { type FrameInput, MAX_MESSAGE_BYTES } from "./frame-input.ts";

/** The part of the receiver of `ws` that is used here. */
interface WsReceiver {
  write(chunk: Buffer, done?: () => void): boolean;
  on(event: string, listener: (...args: never[]) => void): WsReceiver;
}

// By its path: Bun has a `ws` of its own.
const require = createRequire(import.meta.url);
const Receiver = require("../../node_modules/ws/lib/receiver.js") as new (options: object) => WsReceiver;
const PerMessageDeflate = require("../../node_modules/ws/lib/permessage-deflate.js") as new (options: object) => {
  accept(offers: object[]): void;
  decompress(data: Uint8Array, fin: boolean, done: (error: unknown, data: Uint8Array) => void): void;
};
const { kStatusCode } = require("../../node_modules/ws/lib/constants.js") as { kStatusCode: symbol };

/** The events that our reader makes of an input, a line for each. */
export function ours(input: FrameInput, inflates = false): string[] {
  const sink = new Lines(inflates);
  let unfinished: Unfinished | undefined;
  for (const chunk of chunksOf(input)) {
    unfinished = readFrames(chunk, unfinished, MAX_MESSAGE_BYTES, sink);
    if (sink.over) break;
  }
  return sink.lines;
}

class Lines implements FrameSink {
  readonly inflates: boolean;
  readonly lines: string[] = [];
  over = false;

  constructor(inflates: boolean) {
    this.inflates = inflates;
  }

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
  inflate(bytes: Uint8Array, binary: boolean): string | Uint8Array | number {
    const inflated = inflate(bytes, MAX_MESSAGE_BYTES);
    return typeof inflated === "number" ? inflated : messageOf(inflated, binary);
  }
  fragments(): boolean {
    return true;
  }
}

/** The same by `ws`. An error of its is told later: the lines are complete after the turn. */
export function theirs(input: FrameInput): string[] {
  const reading = new WsReading({});
  for (const chunk of chunksOf(input)) {
    if (!reading.over) reading.receiver.write(chunk);
  }
  return reading.lines;
}

/** The same by `ws` for a client that agreed to permessage-deflate without context takeover. */
export async function theirsInflated(input: FrameInput): Promise<string[]> {
  const deflate = new WholeDeflate({ isServer: true, maxPayload: MAX_MESSAGE_BYTES });
  deflate.accept([{ server_no_context_takeover: [true], client_no_context_takeover: [true] }]);
  const reading = new WsReading({ "permessage-deflate": deflate });
  for (const chunk of chunksOf(input)) {
    if (reading.over) break;
    await new Promise<void>((resolve) => reading.receiver.write(chunk, () => resolve()));
  }
  await new Promise<void>((resolve) => setImmediate(resolve));
  return reading.lines;
}

/**
 * The extension of `ws`, given whole messages: it inflates fragment by fragment, and so finds a fault at the fragment that has it, and
 * none in the bytes of a message that go on after a last block. Here a message is inflated when all of it is there.
 */
class WholeDeflate extends PerMessageDeflate {
  #parts: Uint8Array[] = [];

  override decompress(data: Uint8Array, fin: boolean, done: (error: unknown, data: Uint8Array) => void): void {
    this.#parts.push(data);
    if (!fin) {
      setImmediate(() => done(null, Buffer.alloc(0)));
      return;
    }
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    super.decompress(whole, fin, done);
  }
}

/** A receiver of `ws`, and its events as lines. */
class WsReading {
  readonly lines: string[] = [];
  readonly receiver: WsReceiver;
  over = false;

  constructor(extensions: object) {
    const limits = { maxPayload: MAX_MESSAGE_BYTES, allowSynchronousEvents: true };
    this.receiver = new Receiver({ isServer: true, extensions, ...limits });
    const { lines, receiver } = this;
    receiver.on("message", (data: Buffer, binary: boolean) => {
      lines.push(messageLine(binary ? new Uint8Array(data) : data.toString()));
    });
    receiver.on("ping", (payload: Buffer) => lines.push(`ping ${hex(payload)}`));
    receiver.on("pong", () => lines.push("pong"));
    receiver.on("conclude", (code: number, reason: Buffer) => {
      lines.push(`close ${code} ${reason.toString()}`);
      this.over = true;
    });
    receiver.on("error", (error: Record<symbol, unknown>) => {
      lines.push(`fault ${String(error[kStatusCode])}`);
      this.over = true;
    });
  }
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
