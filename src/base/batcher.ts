import { afterTick } from "./tick.ts";

/** How a {@link Batcher} forms its batches. */
export interface BatcherOptions {
  /** The most items in one batch. Default 500. */
  maxItems?: number;
  /** The most batches under way at once; more items wait and grow the next batch. Default 1. */
  maxInFlight?: number;
  /** Milliseconds from the start of a batch to that of the next, unless that is full: under load fewer and larger ones leave. Default 0. */
  spaceMs?: number;
  /** The most items that may wait; one more rejects with what `full` makes. Default: no bound. */
  maxWaiting?: number;
  /** Makes the error for an item that finds the queue full. */
  full?: () => Error;
}

interface Waiting<In, Out> {
  item: In;
  resolve: (out: Out) => void;
  reject: (error: unknown) => void;
}

/**
 * Turns single calls into batches that form by themselves.
 *
 * Items that one tick adds leave together; while a batch is under way the next one grows. An idle batcher adds no delay
 * but the rest of the tick. `run` gets the items in the order they were added and answers one result for each.
 */
export class Batcher<In, Out> {
  readonly #run: (items: In[]) => Promise<readonly Out[]>;
  readonly #options: Required<Omit<BatcherOptions, "full">> & Pick<BatcherOptions, "full">;
  #waiting: Waiting<In, Out>[] = [];
  #inFlight = 0;
  #scheduled = false;
  /** When the last batch left. */
  #leftAtMs = -Infinity;

  constructor(run: (items: In[]) => Promise<readonly Out[]>, options: BatcherOptions = {}) {
    this.#run = run;
    this.#options = { maxItems: 500, maxInFlight: 1, spaceMs: 0, maxWaiting: Number.POSITIVE_INFINITY, ...options };
  }

  /** Adds one item; resolves with its result, or rejects with the error of its batch. */
  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= this.#options.maxWaiting) {
        reject(this.#options.full?.() ?? new Error("the queue is full"));
        return;
      }
      this.#waiting.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#options.maxInFlight) return;
    this.#scheduled = true;
    const waitMs = this.#waiting.length < this.#options.maxItems ? this.#msToSpace() : 0;
    if (waitMs > 0) setTimeout(() => this.#leave(), waitMs);
    else afterTick(() => this.#leave());
  }

  #msToSpace(): number {
    const { spaceMs } = this.#options;
    return spaceMs === 0 ? 0 : this.#leftAtMs + spaceMs - performance.now();
  }

  #leave(): void {
    this.#scheduled = false;
    this.#leftAtMs = performance.now();
    while (this.#waiting.length > 0 && this.#inFlight < this.#options.maxInFlight) {
      void this.#send(this.#waiting.splice(0, this.#options.maxItems));
    }
  }

  async #send(batch: Waiting<In, Out>[]): Promise<void> {
    this.#inFlight++;
    try {
      const results = await this.#run(batch.map((waiting) => waiting.item));
      for (const [index, waiting] of batch.entries()) waiting.resolve(results[index] as Out);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    } finally {
      this.#inFlight--;
      if (this.#waiting.length > 0) this.#schedule();
    }
  }
}
