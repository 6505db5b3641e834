/** Buckets of seconds: from half a millisecond to eight seconds, each twice the one before. */
export const SECONDS: readonly number[] = growing(0.0005, 2, 15);
/** Buckets of things that are counted: 1, 4, 16 and so on to 65,536. */
export const SIZES: readonly number[] = growing(1, 4, 9);
/** Buckets of the parts of a whole: from a 64th to all of it, each twice the one before. */
export const PARTS: readonly number[] = growing(1 / 64, 2, 7);

/** How many values fell into each of a few fixed buckets. Those of several nodes add up, bucket by bucket. */
export class Histogram {
  /** The upper bounds of the buckets, each included; a last one has none. */
  readonly bounds: readonly number[];
  /** How many values are in each bucket and not in an earlier one. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Counts a value, `times` times. */
  add(value: number, times = 1): void {
    const { bounds, counts } = this;
    let at = 0;
    while (value > (bounds[at] ?? Infinity)) at++;
    counts[at] = (counts[at] as number) + times;
    this.sum += value * times;
  }
}

function growing(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first * factor ** index);
}
