import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type TapRequest, type TapResponse, TapResponseSchema } from "../gen/meshsocket/v1/watch_pb.ts";
import { Pipe } from "../base/pipe.ts";
import type { Frame } from "../send/frame.ts";

/** One tap on one node. */
export class Tap {
  readonly request: TapRequest;
  /** The node that it is on. */
  readonly host: string;
  /** Messages that its caller has not fetched yet. */
  readonly messages: Pipe<TapResponse> = new Pipe();
  ended = false;
  readonly #perSecond: number;
  #secondMs = 0;
  #inSecond = 0;
  #missed = 0;

  constructor(request: TapRequest, host: string) {
    this.request = request;
    this.host = host;
    this.#perSecond = perSecondOf(request);
  }

  /** Frames that one write sent to the client. */
  sent(frames: readonly Frame[], id: string): void {
    const shown = this.#room(frames.length);
    if (shown === 0) return;
    for (const frame of frames.slice(0, shown)) this.#message(frame, { kind: "sent", id });
  }

  /** A frame that was published. */
  published(frame: Frame, topic: string, offered: number): void {
    if (this.#room(1) > 0) this.#message(frame, { kind: "published", topic, offered: BigInt(offered) });
  }

  #message(frame: Frame, seen: MessageInitShape<typeof TapResponseSchema>): void {
    const payload = this.request.payloads ? frame.bytes.slice(0, MAX_PAYLOAD_BYTES) : NOTHING;
    this.push({ ...seen, bytes: BigInt(frame.messageBytes), binary: frame.binary, payload });
  }

  /** A message of the client. */
  received(data: string | Uint8Array, id: string): void {
    if (this.#room(1) === 0) return;
    const binary = typeof data !== "string";
    // Text is measured by its characters: to count its bytes would cost as much as to encode it.
    const bytes = BigInt(data.length);
    this.push({ kind: "received", id, bytes, binary, payload: this.request.payloads ? headOf(data) : NOTHING });
  }

  /** Takes a message, or counts it as missed. */
  push(seen: MessageInitShape<typeof TapResponseSchema>): void {
    if (this.ended) return;
    const missed = BigInt(this.#missed);
    this.#missed = 0;
    this.messages.push(create(TapResponseSchema, { ...seen, host: this.host, atMs: BigInt(Date.now()), missed }));
  }

  /** How many of so many messages are shown. The others are counted as missed. */
  #room(wanted: number): number {
    const now = performance.now();
    if (now - this.#secondMs >= 1_000) {
      this.#secondMs = now;
      this.#inSecond = 0;
    }
    const room = Math.min(wanted, MAX_WAITING - this.messages.length, this.#perSecond - this.#inSecond);
    const shown = Math.max(0, room);
    this.#inSecond += shown;
    this.#missed += wanted - shown;
    return shown;
  }

  end(): void {
    this.ended = true;
    this.messages.end();
  }
}

/** The most messages of a second that a tap shows of one node. */
export function perSecondOf({ perSecond }: TapRequest): number {
  return perSecond || DEFAULT_PER_SECOND;
}

const DEFAULT_PER_SECOND = 50;
/** Messages that wait for a caller who does not fetch them. */
const MAX_WAITING = 256;
const MAX_PAYLOAD_BYTES = 1_024;
const NOTHING = new Uint8Array();

function headOf(data: string | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof data !== "string") return data.slice(0, MAX_PAYLOAD_BYTES);
  return new TextEncoder().encode(data.slice(0, MAX_PAYLOAD_BYTES)).slice(0, MAX_PAYLOAD_BYTES);
}
