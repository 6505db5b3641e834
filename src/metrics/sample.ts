import type { Tally } from "../base/counters/counters.ts";
import type { Histogram } from "../base/counters/histogram.ts";

/** One value of a metric, under its labels. */
export interface MetricSample {
  /** By name; the values come from closed sets, never ids, topics or addresses. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram: how many values there were. */
  readonly value: number;
  /** Of a histogram: its upper bounds, and how many values are in each bucket and not in an earlier one. The last bucket has no bound. */
  readonly buckets?: { readonly bounds: readonly number[]; readonly counts: readonly number[]; readonly sum: number };
}

const NO_LABELS: MetricSample["labels"] = {};

/** One value without labels. */
export function one(value: number): MetricSample[] {
  return [{ labels: NO_LABELS, value }];
}

/** One value for each name of a tally. Names that are not known are added up as `other`; known ones begin at 0. */
export function counted(label: string, tally: Tally, known: readonly string[]): MetricSample[] {
  const values: Record<string, number> = Object.fromEntries(known.map((name) => [name, 0]));
  for (const [name, count] of Object.entries(tally)) {
    const bounded = Object.hasOwn(values, name) ? name : "other";
    values[bounded] = (values[bounded] ?? 0) + count;
  }
  return each(label, values);
}

/** One value for each name. */
export function each(label: string, values: Readonly<Record<string, number>>): MetricSample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** The values of several tallies, each with a label more. */
export function countedBy(
  outer: string,
  tallies: Readonly<Record<string, Tally>>,
  read: (tally: Tally) => MetricSample[],
): MetricSample[] {
  return Object.entries(tallies).flatMap(([name, tally]) => {
    return read(tally).map(({ labels, value }) => ({ labels: { [outer]: name, ...labels }, value }));
  });
}

/** A histogram, under its labels. */
export function spread(histogram: Histogram, labels: MetricSample["labels"] = NO_LABELS): MetricSample {
  const { bounds, counts, sum } = histogram;
  const value = counts.reduce((total, count) => total + count, 0);
  return { labels, value, buckets: { bounds, counts: [...counts], sum } };
}
