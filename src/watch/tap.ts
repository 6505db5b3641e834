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
  #missed = 0n;

  constructor(request: TapRequest, host: string) {
    this.request = request;
    this.host = host;
    this.#perSecond = request.perSecond || DEFAULT_PER_SECOND;
  }

  /** A frame that was sent or published. */
  message(frame: Frame, seen: MessageInitShape<typeof TapResponseSchema>): void {
    if (!this.#hasRoom()) return;
    const payload = this.request.payloads ? frame.bytes.slice(0, MAX_PAYLOAD_BYTES) : NOTHING;
    this.push({ ...seen, bytes: BigInt(frame.messageBytes), binary: frame.binary, payload });
  }

  /** A message of the client. */
  received(data: string | Uint8Array, id: string): void {
    if (!this.#hasRoom()) return;
    const binary = typeof data !== "string";
    // Text is measured by its characters: to count its bytes would cost as much as to encode it.
    const bytes = BigInt(data.length);
    this.push({ kind: "received", id, bytes, binary, payload: this.request.payloads ? headOf(data) : NOTHING });
  }

  /** Takes a message, or counts it as missed. */
  push(seen: MessageInitShape<typeof TapResponseSchema>): void {
    if (this.ended) return;
    const missed = this.#missed;
    this.#missed = 0n;
    this.messages.push(create(TapResponseSchema, { ...seen, host: this.host, atMs: BigInt(Date.now()), missed }));
  }

  #hasRoom(): boolean {
    const now = performance.now();
    if (now - this.#secondMs >= 1_000) {
      this.#secondMs = now;
      this.#inSecond = 0;
    }
    const room = this.messages.length < MAX_WAITING && this.#inSecond++ < this.#perSecond;
    if (!room) this.#missed++;
    return room;
  }

  end(): void {
    this.ended = true;
    this.messages.end();
  }
}

const DEFAULT_PER_SECOND = 100;
/** Messages that wait for a caller who does not fetch them. */
const MAX_WAITING = 256;
const MAX_PAYLOAD_BYTES = 1_024;
const NOTHING = new Uint8Array();

function headOf(data: string | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof data !== "string") return data.slice(0, MAX_PAYLOAD_BYTES);
  return new TextEncoder().encode(data.slice(0, MAX_PAYLOAD_BYTES)).slice(0, MAX_PAYLOAD_BYTES);
}
