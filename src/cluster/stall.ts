import { unref } from "../base/tick.ts";

const BEAT_MS = 250;

/**
 * Notices that this process stood still: it was paused, or its event loop was blocked.
 *
 * A beat tells when the loop last ran. Input that came in meanwhile may be read before the next beat, so code that takes
 * input asks with {@link Stall.check} first.
 */
export class Stall {
  readonly #limitMs: number;
  readonly #onStall: (stalledMs: number) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #beatAtMs = performance.now();

  /** `onStall` is called once for each time that the process stood still for longer than `limitMs`. */
  constructor(limitMs: number, onStall: (stalledMs: number) => void) {
    this.#limitMs = limitMs;
    this.#onStall = onStall;
    this.#timer = setInterval(() => {
      this.check();
      this.#beatAtMs = performance.now();
    }, BEAT_MS);
    unref(this.#timer);
  }

  /** Calls `onStall` if the process stood still since the last beat. */
  check(): void {
    const now = performance.now();
    const stalledMs = now - this.#beatAtMs;
    if (stalledMs <= this.#limitMs) return;
    this.#beatAtMs = now;
    this.#onStall(stalledMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
