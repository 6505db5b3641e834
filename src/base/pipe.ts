/** A queue with two ends: items are pushed at one and iterated at the other. */
export class Pipe<Item> implements AsyncIterable<Item> {
  #items: Item[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  /** How many items were pushed and not yet taken. */
  get length(): number {
    return this.#items.length;
  }

  /** Never waits: the caller bounds what it pushes. */
  push(item: Item): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Ends the iteration after what was pushed. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Item> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      yield* items;
      if (this.#items.length > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }
}
