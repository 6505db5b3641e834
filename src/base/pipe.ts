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
    while (await this.#arrived()) yield* this.#take();
  }

  /** The items in lots: each has all that was pushed since the one before was taken. */
  async *lots(): AsyncIterableIterator<Item[]> {
    while (await this.#arrived()) yield this.#take();
  }

  #take(): Item[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** Waits for an item. False if there will be none any more. */
  async #arrived(): Promise<boolean> {
    while (this.#items.length === 0) {
      if (this.#ended) return false;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    return true;
  }
}
