/** Bytes that all ledgers of a node keep, and how many they may. A frame that several clients share counts for each. */
export class Budget {
  bytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether so many bytes more may be kept. */
  hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.#maxBytes;
  }
}
