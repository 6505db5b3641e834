import { backoffMs } from "../../base/backoff.ts";
import { unref } from "../../base/tick.ts";

/**
 * Topics that may have messages that nobody delivered: their publisher does not know whether they were appended, or it died.
 *
 * Each is settled as soon as the store can be asked, one call at a time and topic however often it comes into doubt.
 */
export class Doubts {
  readonly #settle: (topic: string) => Promise<void>;
  /** Each with whether it came into doubt again. */
  readonly #topics = new Map<string, boolean>();
  #closed = false;

  /** `settle` rejects if the store fails, and is then tried again. */
  constructor(settle: (topic: string) => Promise<void>) {
    this.#settle = settle;
  }

  add(topic: string): void {
    const isUnderWay = this.#topics.has(topic);
    this.#topics.set(topic, isUnderWay);
    if (!isUnderWay) void this.#run(topic);
  }

  close(): void {
    this.#closed = true;
  }

  async #run(topic: string): Promise<void> {
    for (let failures = 0; !this.#closed;) {
      this.#topics.set(topic, false);
      try {
        await this.#settle(topic);
        failures = 0;
        if (this.#topics.get(topic) !== true) break;
      } catch {
        await new Promise<void>((resolve) => unref(setTimeout(resolve, backoffMs(failures++))));
      }
    }
    this.#topics.delete(topic);
  }
}
