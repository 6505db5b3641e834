import type { ByteStream, ByteStreamReceiver } from "../link/byte-stream.ts";

/** The faults that bytes under way meet. */
export interface Faults {
  /** Settles when the bytes may go on; undefined for at once. */
  hold(): Promise<void> | undefined;
  /** Whether the bytes vanish. */
  readonly lost: boolean;
}

/**
 * Two ends of an open stream of bytes between two nodes. Bytes arrive in order, in a microtask of their own or when the
 * faults let them.
 */
export class MemoryStream {
  /** The end of the node that dialled. */
  readonly near: ByteStream;
  /** The end of the node that was dialled. */
  readonly far: ByteStream;
  /** Whether bytes vanished: then the stream is of no more use. */
  lossy = false;
  readonly #onEnd: () => void;
  #receivers: readonly ByteStreamReceiver[];

  constructor(
    receivers: { near: ByteStreamReceiver; far: ByteStreamReceiver },
    faults: { there: Faults; back: Faults },
    onEnd: (stream: MemoryStream) => void,
  ) {
    const { near, far } = receivers;
    this.#receivers = [near, far];
    this.near = this.#end(near, far, faults.there);
    this.far = this.#end(far, near, faults.back);
    this.#onEnd = () => onEnd(this);
  }

  /** Cuts the stream; both nodes are told. */
  cut(): void {
    this.#close(...this.#receivers);
  }

  #end(own: ByteStreamReceiver, other: ByteStreamReceiver, faults: Faults): ByteStream {
    let bufferedAmount = 0;
    let delivered = Promise.resolve();
    const deliver = async (bytes: Uint8Array): Promise<void> => {
      await faults.hold();
      bufferedAmount -= bytes.byteLength;
      if (faults.lost) this.lossy = true;
      if (!this.lossy && this.#receivers.includes(other)) other.data(bytes);
    };
    return {
      get bufferedAmount() {
        return bufferedAmount;
      },
      write: (bytes) => {
        bufferedAmount += bytes.byteLength;
        delivered = delivered.then(() => deliver(bytes));
      },
      // Nothing is told to the end that closes.
      close: () => this.#close(...this.#receivers.filter((receiver) => receiver !== own)),
    };
  }

  #close(...told: readonly ByteStreamReceiver[]): void {
    if (this.#receivers.length === 0) return;
    this.#receivers = [];
    this.#onEnd();
    queueMicrotask(() => {
      for (const receiver of told) receiver.closed();
    });
  }
}
