/**
 * A stream as the messages of a topic: its beginning, parts, end, failure and stop, each an entry of one message.
 *
 * Shared by the server and by `meshsocket/client`; docs/streams.md describes it for other clients. An entry begins with its mark and the
 * name of its run, which ends with a line feed: so entries of an earlier run of the topic are told apart.
 */
import { MeshError, type MeshErrorCode } from "../base/error.ts";
import { parse, type Payload, prefixed } from "./v1.ts";

/** One entry of a stream. */
export type StreamEntry =
  | { readonly type: "begin"; readonly run: string; readonly life: string }
  | { readonly type: "part"; readonly run: string; readonly data: Payload }
  | { readonly type: "end"; readonly run: string }
  | { readonly type: "fail"; readonly run: string; readonly code: MeshErrorCode; readonly message: string }
  | { readonly type: "stop" };

const MARKS = { begin: "*", part: "+", end: ".", fail: "!" } as const;
const TYPES: Readonly<Record<string, keyof typeof MARKS>> = { "*": "begin", "+": "part", ".": "end", "!": "fail" };
/** The message that asks the producer of a stream to stop. */
export const STOP = "?";
/** The most bytes of a mark and a run, with the line feed. */
export const MAX_ENTRY_HEAD_BYTES = 32;
const LINE_FEED = 10;
const decoder = new TextDecoder();

/** The first line of an entry. */
export function headOf(type: keyof typeof MARKS, run: string): string {
  return `${MARKS[type]}${run}\n`;
}

/** A part as a message of the topic. */
export function partEntry(run: string, data: Payload): Payload {
  return prefixed(headOf("part", run), data);
}

/** The entry that a message of the topic is; undefined if it is none. Never throws. */
export function readEntry(message: Payload): StreamEntry | undefined {
  if (message === STOP) return { type: "stop" };
  const head = typeof message === "string"
    ? message.slice(0, MAX_ENTRY_HEAD_BYTES)
    : decoder.decode(message.subarray(0, MAX_ENTRY_HEAD_BYTES));
  const [line, mark = "", run = ""] = /^([*+.!])([\w-]{1,30})\n/.exec(head) ?? [];
  const type = TYPES[mark];
  if (line === undefined || type === undefined) return undefined;
  const data = typeof message === "string"
    ? message.slice(line.length)
    : message.subarray(message.indexOf(LINE_FEED) + 1);
  if (type === "part") return { type, run, data };
  if (type === "end") return { type, run };
  const json = (typeof data === "string" ? parse(data) : undefined) ?? {};
  if (type === "begin") return { type, run, life: String(json["life"]) };
  const code = json["code"] as MeshErrorCode;
  return { type, run, code: typeof code === "string" ? code : "internal", message: String(json["message"]) };
}

/**
 * A stream as its reader sees it: what came so far as one part, then each part; parts that are not read in time are put together.
 *
 * Give it the messages of the topic in order, beginning with the oldest that is kept, and say when those are over.
 */
export class Reading {
  readonly #parts: Payload[] = [];
  readonly #maxBytes: number;
  #bytes = 0;
  #run: string | undefined;
  #life: string | undefined;
  #live = false;
  #ended = false;
  #failed = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  /** Over `maxBytes` that wait to be read the reading fails. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The state of the stream, as far as its messages came. */
  get state(): StreamState {
    if (this.#failed) return "failed";
    if (this.#ended) return "ended";
    return this.#run === undefined ? "none" : "open";
  }

  /** The life of the node of the producer; undefined before a run began. */
  get life(): string | undefined {
    return this.#life;
  }

  /** A message of the topic. */
  message(message: Payload): void {
    const entry = readEntry(message);
    if (!entry || entry.type === "stop") return;
    if (entry.type === "begin") this.#begin(entry);
    else if (this.#run === undefined) this.#fail(new MeshError("not_found", BEGINNING_LOST));
    else if (entry.run === this.#run && this.state === "open") this.#take(entry);
  }

  /** The messages that were kept are over: what comes now is live. */
  live(): void {
    this.#live = true;
    this.#wake?.();
  }

  /** Messages are missing. */
  gap(): void {
    if (this.state === "open") this.#fail(new MeshError("not_found", "parts of the stream are not known any more"));
  }

  /** Nothing more can be read. */
  stop(error: unknown): void {
    if (this.state === "open" || this.state === "none") this.#fail(error);
  }

  /** The next parts, put together, text and bytes apart. Undefined at the end. Throws the error of a stream that failed. */
  async next(): Promise<Payload | undefined> {
    while (!this.#live || (this.#parts.length === 0 && !this.#ended && !this.#failed)) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      if (!this.#live && this.#failed) break;
    }
    const part = takeFirst(this.#parts);
    if (part !== undefined) this.#bytes -= part.length;
    else if (this.#failed) throw this.#error as Error;
    return part;
  }

  /** Of the runs that are kept the last one is read; later another may begin when this one is over. */
  #begin({ run, life }: StreamEntry & { readonly type: "begin" }): void {
    if (run === this.#run) return;
    if (this.#live && this.state === "open") this.#fail(new MeshError("canceled", "another stream began on the topic"));
    if (this.#live && this.#run !== undefined) return;
    this.#run = run;
    this.#life = life;
    this.#parts.length = 0;
    this.#bytes = 0;
    this.#ended = false;
    this.#failed = false;
  }

  #take(entry: Exclude<StreamEntry, { type: "begin" | "stop" }>): void {
    if (entry.type === "part") this.#add(entry.data);
    else if (entry.type === "end") this.#ended = true;
    else this.#fail(new MeshError(entry.code, entry.message));
    this.#wake?.();
  }

  #add(data: Payload): void {
    this.#bytes += data.length;
    if (this.#bytes <= this.#maxBytes) return void this.#parts.push(data);
    this.#fail(new MeshError("resource_exhausted", `over ${this.#maxBytes} bytes of the stream were not read`));
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#error = error;
    this.#wake?.();
  }
}

/** The state of a stream: none began, it goes on, it ended, or it failed. */
export type StreamState = "none" | "open" | "ended" | "failed";

const BEGINNING_LOST = "the beginning of the stream is not kept any more: give the topic a larger history";

/** Takes the first parts of one kind, put together. */
function takeFirst(parts: Payload[]): Payload | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  const other = parts.findIndex((part) => typeof part !== typeof first);
  const taken = parts.splice(0, other < 0 ? parts.length : other);
  return typeof first === "string" ? taken.join("") : joined(taken as Uint8Array[]);
}

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
