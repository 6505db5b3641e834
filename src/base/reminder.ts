import { about } from "./log/about.ts";
import type { Logger } from "./log/logger.ts";

const AGAIN_MS = 30_000;
const MAX_CAUSES = 1_024;

/** Writes an error to the log, and again each half minute for as long as it is reported. */
export class Reminder {
  readonly #logger: Logger;
  /** When a line was written last, by its cause. */
  readonly #writtenAtMs = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Reports that a cause lasts. */
  report(cause: string, text: string): void {
    const now = performance.now();
    if (now - (this.#writtenAtMs.get(cause) ?? -Infinity) < AGAIN_MS) return;
    if (this.#writtenAtMs.size >= MAX_CAUSES) this.#writtenAtMs.clear();
    this.#writtenAtMs.set(cause, now);
    this.#logger.error(`meshsocket: ${text}`, about("cluster_wrong"));
  }
}
