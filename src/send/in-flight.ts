import { settledWithin } from "./deadline.ts";

/** The calls that have begun and not yet ended. */
export class InFlight {
  #count = 0;
  #none: (() => void) | undefined;
  readonly #ended = (): void => {
    if (--this.#count === 0) this.#none?.();
  };
  readonly #failed: (error: unknown) => void;

  /** `heard` is told of every call that rejects. */
  constructor(heard: (error: unknown) => void) {
    this.#failed = (error) => {
      this.#ended();
      heard(error);
    };
  }

  add(call: Promise<unknown>): void {
    this.#count++;
    call.then(this.#ended, this.#failed);
  }

  /** Settles when all have ended, or when the time is over. To be asked once, when no more are added. */
  async none(timeoutMs: number): Promise<void> {
    if (this.#count === 0) return;
    await settledWithin(new Promise<void>((resolve) => (this.#none = resolve)), timeoutMs);
  }
}
