/**
 * How much may come of something over time: `perSecond` on the long run, and `burst` at once.
 *
 * It is a token bucket that stores one number, the time at which the bucket is full again, so that it costs eight bytes
 * and neither a timer nor a division. Times are milliseconds of one steady clock.
 */
export interface Rate {
  /** Milliseconds until one that was taken is back. */
  readonly intervalMs: number;
  /** How long a full bucket takes to refill. */
  readonly burstMs: number;
}

/** A rate. `perSecond` may be Infinity: then nothing is ever too much. */
export function rate(perSecond: number, burst: number): Rate {
  const intervalMs = 1_000 / perSecond;
  return { intervalMs, burstMs: intervalMs === 0 ? Infinity : Math.max(1, burst) * intervalMs };
}

/** When the bucket is full again after `count` more were taken; undefined if it does not hold so many. Start with 0. */
export function take({ intervalMs, burstMs }: Rate, fullAt: number, now: number, count = 1): number | undefined {
  const next = Math.max(fullAt, now) + count * intervalMs;
  return next - now > burstMs + 1e-6 ? undefined : next;
}
