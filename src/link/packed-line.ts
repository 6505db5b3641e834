import type { ByteStream, ByteStreamReceiver, DialStream } from "./byte-stream.ts";
import { MeshError } from "../base/error.ts";
import type { Batch, BatchAnswer } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Line, LineEvents, OpenLine } from "./line.ts";
import { MessageSplitter } from "./bytes.ts";
import { fromRpcError } from "../rpc/error.ts";
import { BatchPacker, BatchUnpacker, packAnswer, unpackAnswer } from "./packed-batch.ts";

/** What {@link packedLine} stands on. */
export interface PackedLineOptions {
  /** The node's address, for errors. */
  host?: string | undefined;
  dial: DialStream;
  /** Mints the token for the node; undefined in a cluster without a secret. */
  token: (() => Promise<string>) | undefined;
  /** Bytes of one message from the other node. A longer one ends the line. */
  maxBytes: number;
  /** Opens the line to a node that takes no packed ones. */
  otherwise: OpenLine;
}

/**
 * Makes lines that are one stream of packed batches and answers; to a node that does not know them, other lines.
 *
 * A node is asked once: what it cannot do at first it is not asked for again.
 */
export function packedLine(options: PackedLineOptions): OpenLine {
  let refused = false;
  return (events) => {
    if (refused) return options.otherwise(events);
    return new PackedLine(options, events, () => (refused = true));
  };
}

class PackedLine implements Line, ByteStreamReceiver {
  readonly #options: PackedLineOptions;
  readonly #events: LineEvents;
  readonly #refused: () => void;
  readonly #closing = new AbortController();
  readonly #packer = new BatchPacker();
  readonly #splitter: MessageSplitter;
  /** What waits for the stream to open. */
  #waiting: Batch[] | undefined = [];
  #stream: ByteStream | undefined;
  #other: Line | undefined;
  #ended = false;

  constructor(options: PackedLineOptions, events: LineEvents, refused: () => void) {
    this.#options = options;
    this.#events = events;
    this.#refused = refused;
    this.#splitter = new MessageSplitter(options.maxBytes);
    this.#open().catch((error: unknown) => this.#failed(error));
  }

  send(batch: Batch): void {
    if (this.#waiting) this.#waiting.push(batch);
    else if (this.#other) this.#other.send(batch);
    else this.#stream?.write(this.#packer.pack(batch));
  }

  close(): void {
    this.#ended = true;
    this.#closing.abort();
    this.#stream?.close();
    this.#other?.close();
  }

  async #open(): Promise<void> {
    const token = await this.#options.token?.();
    if (this.#ended) return;
    const stream = await this.#options.dial(this, token, this.#closing.signal);
    if (this.#ended) {
      stream.close();
      return;
    }
    this.#stream = stream;
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const batch of waiting) this.send(batch);
  }

  #failed(error: unknown): void {
    if (this.#ended) return;
    const why = fromRpcError(error, { host: this.#options.host });
    if (why.code !== "unimplemented") {
      this.#end(why);
      return;
    }
    this.#refused();
    this.#other = this.#options.otherwise(this.#events);
    this.#sendWaiting();
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
      this.#end(new MeshError("unknown", "that node's answer could not be understood", { cause: error }));
    }
  }

  closed(): void {
    this.#end(new MeshError("unknown", "the other node ended the line"));
  }
}

/** What the receiving end of packed lines stands on. */
export interface PackedLineHost {
  /** Takes a batch and answers it; `undefined` when nothing is to be taken now, which ends the line. */
  deliver(batch: Batch): Promise<BatchAnswer> | undefined;
  /** Bytes of one message. A longer one ends the line. */
  readonly maxBytes: number;
  /** Bytes of answers that wait for the other node to read. More end the line. */
  readonly maxBufferedBytes: number;
}

/** More batches than a sender leaves unanswered. */
const MAX_UNANSWERED = 16;

/** The receiving end of one packed line. Whatever breaks the rules ends it, and the sender opens another. */
export class IncomingPackedLine implements ByteStreamReceiver {
  readonly #host: PackedLineHost;
  readonly #onClosed: () => void;
  readonly #unpacker = new BatchUnpacker();
  readonly #splitter: MessageSplitter;
  #stream: ByteStream | undefined;
  #unanswered = 0;
  #ended = false;

  /** `onClosed` is called once, when the line is over. */
  constructor(host: PackedLineHost, onClosed: () => void) {
    this.#host = host;
    this.#onClosed = onClosed;
    this.#splitter = new MessageSplitter(host.maxBytes);
  }

  /** Starts; to be called before anything is received. */
  open(stream: ByteStream): void {
    this.#stream = stream;
    if (this.#ended) stream.close();
  }

  close(): void {
    this.#stream?.close();
    this.closed();
  }

  data(bytes: Uint8Array): void {
    try {
      this.#splitter.split(bytes, (message) => this.#message(message));
    } catch {
      // The sender is of another mind about the protocol, or is no node.
      this.close();
    }
  }

  closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onClosed();
  }

  #message(message: Uint8Array): void {
    if (this.#ended) return;
    const batch = this.#unpacker.unpack(message);
    if (!batch) return;
    const answer = this.#unanswered < MAX_UNANSWERED ? this.#host.deliver(batch) : undefined;
    if (!answer) {
      this.close();
      return;
    }
    this.#unanswered++;
    void answer.then((ready) => this.#answer(ready), () => this.close());
  }

  #answer(answer: BatchAnswer): void {
    this.#unanswered--;
    if (this.#ended || !this.#stream) return;
    this.#stream.write(packAnswer(answer));
    if (this.#stream.bufferedAmount > this.#host.maxBufferedBytes) this.close();
  }
}
