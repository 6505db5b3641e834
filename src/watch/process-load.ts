import { LoopMeter } from "../base/watch/loop-meter.ts";

/**
 * The memory of this process, and how late its event loop is.
 *
 * The loop is watched only while somebody looks: from a look until some seconds after the last one.
 */
export class ProcessLoad {
  readonly #meter = new LoopMeter(BEAT_MS, (ms) => this.#beat(ms));
  #lookedAtMs = 0;
  #worstMs = 0;

  /** The longest delay since the last look, in milliseconds. At the first look nothing is known: 0. */
  look(): number {
    const worst = Math.max(this.#worstMs, this.#meter.overdueMs);
    this.#worstMs = 0;
    this.#lookedAtMs = performance.now();
    if (!this.#meter.running) this.#meter.start();
    return worst;
  }

  #beat(lateMs: number): void {
    this.#worstMs = Math.max(this.#worstMs, lateMs);
    if (performance.now() - this.#lookedAtMs > WATCH_MS) this.#meter.stop();
  }

  /** Resident memory in bytes; 0 if the runtime does not tell. */
  static memoryBytes(): number {
    const { process } = globalThis as { process?: { memoryUsage?(): { readonly rss: number } } };
    return process?.memoryUsage?.().rss ?? 0;
  }
}

const BEAT_MS = 20;
const WATCH_MS = 10_000;
