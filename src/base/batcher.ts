import { afterTick } from "./tick.ts";

/** How a {@link Batcher} forms its batches. */
export interface BatcherOptions {
  /** The most items in one batch. Default 500. */
  maxItems?: number;
  /** The most batches under way at once; more items wait and grow the next batch. Default 1. */
  maxInFlight?: number;
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

  constructor(run: (items: In[]) => Promise<readonly Out[]>, options: BatcherOptions = {}) {
    this.#run = run;
    this.#options = { maxItems: 500, maxInFlight: 1, maxWaiting: Number.POSITIVE_INFINITY, ...options };
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
    afterTick(() => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#inFlight < this.#options.maxInFlight) {
        void this.#send(this.#waiting.splice(0, this.#options.maxItems));
      }
    });
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
