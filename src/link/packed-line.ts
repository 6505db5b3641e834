import type { ByteStream, ByteStreamReceiver, DialStream } from "./byte-stream.ts";
import { MessageSplitter } from "./bytes.ts";
import { MeshError } from "../base/error.ts";
import type { Batch } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Line, LineEvents, OpenLine } from "./line.ts";
import { BatchPacker, unpackAnswer } from "./packed-batch.ts";
import { fromRpcError } from "../rpc/error.ts";

const FIRST_RETRY_MS = 10_000;
const MAX_RETRY_MS = 600_000;
const LENGTH_BYTES = 4;

/**
 * Makes lines that are one stream of packed batches and answers; to a node that no stream leads to, other lines.
 *
 * A proxy or an older node may let no stream through. Then the other line carries the batches, and a stream is tried again
 * after 10 s, 20 s and so on up to 10 minutes. Once one opens, the link moves back to packed lines.
 */
export function packedLine(options: PackedLineDependencies): OpenLine {
  const refusals = new Refusals(options.retryMs ?? FIRST_RETRY_MS);
  return (events) => new PackedLine(options, events, refusals);
}

/** How {@link packedLine} reaches a node. */
export interface PackedLineDependencies {
  /** The node's address, for errors. */
  host?: string | undefined;
  dial: DialStream;
  /** Mints the token for the node; undefined in a cluster without a secret. */
  token: (() => Promise<string>) | undefined;
  /** Bytes of one message from the other node. A longer one ends the line. */
  maxBytes: number;
  /** Opens the line to a node that takes no packed ones. */
  otherwise: OpenLine;
  /** Milliseconds until a stream is tried again. Default 10,000, doubled at each refusal. */
  retryMs?: number;
}

/** Knows when a stream that was refused is tried again. */
class Refusals {
  readonly #firstMs: number;
  #count = 0;
  #untilMs = 0;

  constructor(firstMs: number) {
    this.#firstMs = firstMs;
  }

  /** Whether it is too early for another attempt. */
  get hold(): boolean {
    return performance.now() < this.#untilMs;
  }

  refused(): void {
    this.#untilMs = performance.now() + Math.min(MAX_RETRY_MS, this.#firstMs * 2 ** this.#count++);
  }

  opened(): void {
    this.#count = 0;
    this.#untilMs = 0;
  }
}

class PackedLine implements Line, ByteStreamReceiver {
  readonly #deps: PackedLineDependencies;
  readonly #events: LineEvents;
  readonly #refusals: Refusals;
  readonly #closing = new AbortController();
  readonly #splitter: MessageSplitter;
  #packer = new BatchPacker();
  /** Batches that wait for the stream to open. */
  #waiting: Batch[] | undefined = [];
  #stream: ByteStream | undefined;
  #other: Line | undefined;
  #trying = false;
  #ended = false;

  constructor(options: PackedLineDependencies, events: LineEvents, refusals: Refusals) {
    this.#deps = options;
    this.#events = events;
    this.#refusals = refusals;
    this.#splitter = new MessageSplitter(options.maxBytes);
    if (refusals.hold) this.#fallBack();
    else this.#open().catch((error: unknown) => this.#failed(error));
  }

  send(batch: Batch): void {
    if (this.#waiting) this.#waiting.push(batch);
    else if (this.#stream) this.#write(this.#stream, batch);
    else {
      this.#other?.send(batch);
      if (!this.#refusals.hold) void this.#tryAgain();
    }
  }

  close(): void {
    this.#ended = true;
    this.#closing.abort();
    this.#stream?.close();
    this.#other?.close();
  }

  async #open(): Promise<void> {
    const stream = await this.#dial(this);
    if (this.#ended) {
      stream.close();
      return;
    }
    this.#refusals.opened();
    this.#stream = stream;
    this.#sendWaiting();
  }

  async #dial(receiver: ByteStreamReceiver): Promise<ByteStream> {
    const token = await this.#deps.token?.();
    return await this.#deps.dial(receiver, token, this.#closing.signal);
  }

  #write(stream: ByteStream, batch: Batch): void {
    const bytes = this.#packer.pack(batch);
    if (bytes.byteLength - LENGTH_BYTES <= (stream.maxBytes ?? Infinity)) {
      stream.write(bytes);
      return;
    }
    // The context in those bytes was not sent either.
    this.#packer = new BatchPacker();
    this.#events.tooLong(batch.number);
  }

  #sendWaiting(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const batch of waiting) this.send(batch);
  }

  #failed(error: unknown): void {
    if (this.#ended) return;
    const why = fromRpcError(error, { host: this.#deps.host });
    if (why.code !== "unimplemented") {
      this.#end(why);
      return;
    }
    this.#refusals.refused();
    this.#fallBack();
  }

  #fallBack(): void {
    this.#other = this.#deps.otherwise(this.#events);
    this.#sendWaiting();
  }

  /** Looks whether a stream opens by now. If it does, ends this line: the link opens another and sends again. */
  async #tryAgain(): Promise<void> {
    if (this.#trying) return;
    this.#trying = true;
    try {
      (await this.#dial({ data() {}, closed() {} })).close();
      this.#refusals.opened();
      this.#end(new MeshError("unknown", "the node takes packed lines again"));
    } catch {
      this.#refusals.refused();
    } finally {
      this.#trying = false;
    }
  }

  #end(error: MeshError): void {
    if (this.#ended) return;
    this.close();
    this.#events.broken(error);
  }

  // ---- from the other node ----

  data(bytes: Uint8Array): void {
    try {
      this.#splitter.split(bytes, (message) => {
        if (!this.#ended) this.#events.answered(unpackAnswer(message));
      });
    } catch (error) {
      this.#end(new MeshError("unknown", "could not read the node's answer", { cause: error }));
    }
  }

  closed(): void {
    this.#end(new MeshError("unknown", "the other node ended the line"));
  }
}
