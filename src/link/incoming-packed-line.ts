import type { ByteStream, ByteStreamReceiver } from "./byte-stream.ts";
import { MessageSplitter } from "./bytes.ts";
import type { Batch, BatchAnswer } from "../gen/meshsocket/node/v1/node_pb.ts";
import { BatchUnpacker, packAnswer } from "./packed-batch.ts";

/** More batches than a sender leaves unanswered. */
const MAX_UNANSWERED = 16;

/** The receiving end of one packed line. A message that breaks the rules ends it, and the sender opens another. */
export class IncomingPackedLine implements ByteStreamReceiver {
  /** Bytes of the longest batch that is taken. */
  readonly maxBytes: number;
  readonly #receiver: BatchReceiver;
  readonly #onClosed: () => void;
  readonly #unpacker = new BatchUnpacker();
  readonly #splitter: MessageSplitter;
  #stream: ByteStream | undefined;
  #unanswered = 0;
  #ended = false;

  /** `onClosed` is called once, when the line is over. */
  constructor(receiver: BatchReceiver, onClosed: () => void) {
    this.#receiver = receiver;
    this.#onClosed = onClosed;
    this.maxBytes = receiver.maxBytes;
    this.#splitter = new MessageSplitter(receiver.maxBytes);
  }

  /** Starts; to be called before anything is received. */
  open(stream: ByteStream): void {
    this.#stream = stream;
    if (this.#ended) stream.close();
  }

  /** Bytes of answers that the engine has not written. */
  get bufferedAmount(): number {
    return this.#ended ? 0 : this.#stream?.bufferedAmount ?? 0;
  }

  close(): void {
    this.#stream?.close();
    this.closed();
  }

  data(bytes: Uint8Array): void {
    try {
      this.#splitter.split(bytes, (message) => this.#message(message));
    } catch {
      // The sender is of another mind about the protocol, or is not a node.
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
    const answer = this.#unanswered < MAX_UNANSWERED ? this.#receiver.deliver(batch) : undefined;
    if (!answer) {
      this.close();
      return;
    }
    this.#unanswered++;
    // An answer that cannot be told, for a count that is none, ends the line: the sender is to hear something.
    answer.then((ready) => this.#answer(ready)).catch(() => this.close());
  }

  #answer(answer: BatchAnswer): void {
    this.#unanswered--;
    if (this.#ended || !this.#stream) return;
    this.#stream.write(packAnswer(answer));
    if (this.#stream.bufferedAmount > this.#receiver.maxBufferedBytes) this.close();
  }
}

/** Takes the batches of an {@link IncomingPackedLine}. */
export interface BatchReceiver {
  /** Takes a batch and answers it; `undefined` if nothing is to be taken now, which ends the line. */
  deliver(batch: Batch): Promise<BatchAnswer> | undefined;
  /** Bytes of one message. A longer one ends the line. */
  readonly maxBytes: number;
  /** Bytes of answers that wait for the other node to read. More end the line. */
  readonly maxBufferedBytes: number;
}
