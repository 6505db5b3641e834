import type { Socket } from "node:net";

/** What happens to the bytes of one direction. Nothing named: they are carried as they come. */
export interface Shape {
  /** Milliseconds by which every byte is late. */
  readonly latencyMs?: number;
  readonly bytesPerSecond?: number;
  /** The most bytes that are written at once. */
  readonly sliceBytes?: number;
  /** Nothing is carried; what waits is carried once this ends. */
  readonly hold?: boolean;
  /** What comes is thrown away. */
  readonly swallow?: boolean;
}

interface Part {
  readonly bytes: Uint8Array;
  readonly cameAtMs: number;
}

const MAX_QUEUED_BYTES = 1_048_576;

/** One direction of one connection. */
export class TcpFlow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #onBytes: (count: number) => void;
  #shape: Shape;
  #queue: Part[] = [];
  #queuedBytes = 0;
  #ended = false;
  #pumping = false;
  #changed = Promise.withResolvers<void>();

  constructor(from: Socket, to: Socket, shape: Shape, onBytes: (count: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#shape = shape;
    this.#onBytes = onBytes;
    from.on("error", () => {});
    from.on("data", (bytes: Uint8Array) => this.#came(bytes));
    from.on("end", () => {
      this.#ended = true;
      this.#start();
    });
    from.on("close", () => this.#wake());
  }

  set shape(shape: Shape) {
    this.#shape = shape;
    this.#wake();
    this.#start();
  }

  /** Ends this direction; the other goes on. */
  end(): void {
    this.#ended = true;
    this.#start();
  }

  #came(bytes: Uint8Array): void {
    this.#onBytes(bytes.byteLength);
    if (this.#shape.swallow) return;
    this.#queue.push({ bytes, cameAtMs: performance.now() });
    this.#queuedBytes += bytes.byteLength;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) this.#from.pause();
    this.#start();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #start(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    void this.#pump();
  }

  async #pump(): Promise<void> {
    while (!this.#to.destroyed && !this.#from.destroyed) {
      if (this.#shape.hold) await this.#changed.promise;
      else {
        const part = this.#queue.shift();
        if (!part) break;
        await this.#late(part);
        await this.#write(part.bytes);
        this.#queuedBytes -= part.bytes.byteLength;
        if (this.#from.isPaused() && this.#queuedBytes <= MAX_QUEUED_BYTES) this.#from.resume();
      }
    }
    this.#pumping = false;
    if (this.#ended && !this.#to.destroyed) this.#to.end();
  }

  async #late({ cameAtMs }: Part): Promise<void> {
    const { latencyMs = 0 } = this.#shape;
    const leftMs = latencyMs > 0 ? cameAtMs + latencyMs - performance.now() : 0;
    if (leftMs > 0) await sleep(leftMs);
    while (this.#shape.hold && !this.#to.destroyed && !this.#from.destroyed) await this.#changed.promise;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.byteLength && !this.#to.destroyed) {
      const { sliceBytes, bytesPerSecond } = this.#shape;
      const most = sliceBytes ?? (bytesPerSecond === undefined ? bytes.byteLength : Math.ceil(bytesPerSecond / 20));
      const slice = bytes.subarray(at, at + most);
      at += slice.byteLength;
      if (this.#to.writable && !this.#to.write(slice)) await this.#drained();
      if (bytesPerSecond !== undefined) await sleep(1_000 * slice.byteLength / bytesPerSecond);
      else if (sliceBytes !== undefined) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#to.off("drain", done).off("close", done);
        resolve();
      };
      this.#to.on("drain", done).on("close", done);
    });
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
