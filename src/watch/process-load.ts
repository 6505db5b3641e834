import { unref } from "../base/tick.ts";

/**
 * The memory of this process, and how late its event loop is.
 *
 * The loop is watched only while somebody looks: from a look until some seconds after the last one.
 */
export class ProcessLoad {
  #timer: ReturnType<typeof setInterval> | undefined;
  #lookedAtMs = 0;
  #beatAtMs = 0;
  #worstMs = 0;

  /** The longest delay since the last look, in milliseconds. At the first look nothing is known: 0. */
  look(): number {
    const now = performance.now();
    const worst = Math.max(this.#worstMs, this.#timer === undefined ? 0 : now - this.#beatAtMs - BEAT_MS);
    this.#worstMs = 0;
    this.#lookedAtMs = now;
    if (this.#timer === undefined) this.#watch(now);
    return worst;
  }

  #watch(now: number): void {
    this.#beatAtMs = now;
    this.#timer = setInterval(() => this.#beat(performance.now()), BEAT_MS);
    unref(this.#timer);
  }

  #beat(now: number): void {
    this.#worstMs = Math.max(this.#worstMs, now - this.#beatAtMs - BEAT_MS);
    this.#beatAtMs = now;
    if (now - this.#lookedAtMs > WATCH_MS) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Resident memory in bytes; 0 if the runtime does not tell. */
  static memoryBytes(): number {
    const { process } = globalThis as { process?: { memoryUsage?(): { readonly rss: number } } };
    return process?.memoryUsage?.().rss ?? 0;
  }
}

const BEAT_MS = 20;
const WATCH_MS = 10_000;
