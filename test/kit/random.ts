import process from "node:process";

/** The seed of this run: `MESHSOCKET_SEED`, or a random one. Print it, so that a failure can be replayed. */
export const runSeed: number = Number(process.env["MESHSOCKET_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Whether this run may take long: `MESHSOCKET_LONG=1`. */
export const longRun: boolean = process.env["MESHSOCKET_LONG"] === "1";

/** Random numbers that a seed decides (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** One of several. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("there is nothing to pick from");
    return item;
  }
}
