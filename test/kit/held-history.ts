import { MemoryHistory } from "../../src/history/memory.ts";

/** A history that answers late if a test wants it: a call takes effect at once, and its answer waits. */
export class HeldHistory extends MemoryHistory {
  readonly #held = new Map<Call, Hold>();

  /** Holds the answer of the next call back. */
  hold(call: Call): Hold {
    const hold = new Hold();
    this.#held.set(call, hold);
    return hold;
  }

  override append(...args: Parameters<MemoryHistory["append"]>): ReturnType<MemoryHistory["append"]> {
    return this.#answer("append", super.append(...args));
  }

  override read(...args: Parameters<MemoryHistory["read"]>): ReturnType<MemoryHistory["read"]> {
    return this.#answer("read", super.read(...args));
  }

  override position(...args: Parameters<MemoryHistory["position"]>): ReturnType<MemoryHistory["position"]> {
    return this.#answer("position", super.position(...args));
  }

  async #answer<Result>(call: Call, answer: Promise<Result>): Promise<Result> {
    const hold = this.#held.get(call);
    this.#held.delete(call);
    const result = await answer;
    hold?.came();
    await hold?.over;
    return result;
  }
}

type Call = "append" | "read" | "position";

/** An answer that is held back. */
export class Hold {
  readonly #begun = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();

  /** Settles when the call took effect. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  came(): void {
    this.#begun.resolve();
  }

  /** The answer goes out; with an error the call rejects. */
  release(error?: Error): void {
    if (error) this.#over.reject(error);
    else this.#over.resolve();
  }
}
