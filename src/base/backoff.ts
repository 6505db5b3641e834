const FIRST_MS = 50;
const MAX_MS = 1_000;

/** Milliseconds to wait after so many failures in a row before the next attempt: doubled each time, and never the same for two. */
export function backoffMs(failures: number): number {
  return Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
}
