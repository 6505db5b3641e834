const STEP_MS = 0.02;
const STEPS = 500_000;

/** Durations in steps of 0.02 ms, up to 10 s. */
export class Histogram {
  readonly #counts = new Uint32Array(STEPS);
  #total = 0;

  add(ms: number, times: number): void {
    const step = Math.min(STEPS - 1, Math.max(0, Math.floor(ms / STEP_MS)));
    this.#counts[step] = (this.#counts[step] ?? 0) + times;
    this.#total += times;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** The duration that a share of all did not exceed; 0 of none. */
  quantile(share: number): number {
    const wanted = Math.ceil(this.#total * share);
    let sum = 0;
    for (let step = 0; step < STEPS && this.#total > 0; step++) {
      sum += this.#counts[step] ?? 0;
      if (sum >= wanted) return (step + 1) * STEP_MS;
    }
    return 0;
  }
}
