import { type Contender, type Kind, nameOf } from "./contenders.ts";
import type { Measured } from "./runs.ts";
import type { Scenario, Target } from "./scenario.ts";

/** The repeated runs of one scenario on one server. */
export interface Series {
  readonly scenario: string;
  readonly contender: Contender;
  readonly runs: Measured[];
  /** Why it has no runs, if it failed. */
  failure?: string;
}

/** All that one call of the bench measured. */
export interface Results {
  readonly machine: string;
  readonly pinned: boolean;
  readonly series: Series[];
}

/** The middle of the runs, and how far they spread, as a share of it. */
export interface Summary {
  readonly median: number;
  readonly spread: number;
}

export function summarize(
  series: Series | undefined,
  metric: string,
): Summary | undefined {
  return summaryOf((series?.runs ?? []).map((run) => run[metric] ?? Number.NaN));
}

/**
 * What one is to the other, round by round: runs of one round were made one after the other, so that what else the machine did
 * then fell on both.
 */
export function ratio(own: Series | undefined, other: Series | undefined, metric: string): Summary | undefined {
  const rounds = Math.min(own?.runs.length ?? 0, other?.runs.length ?? 0);
  return summaryOf(
    Array.from({ length: rounds }, (_, round) => {
      return (own?.runs[round]?.[metric] ?? Number.NaN) / (other?.runs[round]?.[metric] ?? Number.NaN);
    }),
  );
}

function summaryOf(all: readonly number[]): Summary | undefined {
  const values = all.filter(Number.isFinite);
  if (values.length === 0) return undefined;
  values.sort((left, right) => left - right);
  const half = values.length / 2;
  const median = ((values[Math.ceil(half) - 1] ?? 0) + (values[Math.floor(half)] ?? 0)) / 2;
  const spread = median === 0 ? 0 : ((values.at(-1) ?? 0) - (values[0] ?? 0)) / median;
  return { median, spread };
}

/** The runs of a scenario on the servers of a kind, on one runtime or on all. */
export function find(
  results: Results,
  scenario: string,
  kind: Kind,
  runtime?: string,
): Series[] {
  return results.series.filter(({ scenario: name, contender }) =>
    name === scenario && contender.kind === kind &&
    (runtime === undefined || contender.runtime === runtime)
  );
}

/** The outcome of a target on one runtime. */
export interface Verdict {
  readonly runtime: string;
  readonly text: string;
  readonly met: boolean;
}

/** Holds a scenario's targets against its measurements. */
export function verdicts(results: Results, scenario: Scenario): Verdict[] {
  return (scenario.targets ?? []).flatMap((target) =>
    find(results, scenario.name, target.of ?? "meshsocket").flatMap((series) => {
      const { runtime } = series.contender;
      if (target.runtimes && !target.runtimes.includes(runtime)) return [];
      const verdict = verdictOf(results, scenario, target, series);
      return verdict ? [verdict] : [];
    })
  );
}

function verdictOf(
  results: Results,
  scenario: Scenario,
  target: Target,
  series: Series,
): Verdict | undefined {
  const { runtime } = series.contender;
  const metric = target.metric ?? scenario.metric;
  const own = summarize(series, metric)?.median;
  if (own === undefined) return undefined;
  if (target.against === undefined) {
    const bound = target.atMost ?? target.atLeast ?? 0;
    const met = target.atMost === undefined ? own >= bound : own <= bound;
    return {
      runtime,
      met,
      text: `${metric} ${short(own)}, to be ${target.atMost === undefined ? "at least" : "at most"} ${short(bound)}`,
    };
  }
  const others = find(
    results,
    scenario.name,
    target.against,
    target.anyRuntime === true ? undefined : runtime,
  )
    .flatMap((other) => {
      const median = summarize(other, metric)?.median;
      return median === undefined ? [] : [{ median, name: nameOf(other.contender), series: other }];
    })
    .sort((
      left,
      right,
    ) => (scenario.better === "more" ? right.median - left.median : left.median - right.median));
  const [best] = others;
  if (!best) return undefined;
  if (target.atMostMore !== undefined) {
    const more = own - best.median;
    const text = `${metric} ${short(more)} more than ${best.name}, to be at most ${short(target.atMostMore)}`;
    return { runtime, text, met: more <= target.atMostMore };
  }
  // A generator that is full bounds the messages per second: then only the processor time tells the servers apart.
  const full = metric === "perSecond" && (isFull(series) || isFull(best.series));
  const judged = full ? "perCpuSecond" : metric;
  const times = ratio(series, best.series, judged)?.median ?? 0;
  const bound = target.atMost ?? target.atLeast ?? 0;
  const met = target.atMost === undefined ? times >= bound : times <= bound;
  const by = judged === "perCpuSecond" ? ` by processor time${full ? ", because the generator was full" : ""}` : "";
  const of = metric === scenario.metric || judged === "perCpuSecond" ? "" : `${metric} `;
  const text = `${of}${times.toFixed(2)} × ${best.name}${by}, to be ${
    target.atMost === undefined ? "at least" : "at most"
  } ${bound} ×`;
  return { runtime, met, text: by === "" ? text + byProcessorTime(scenario, series, best.series) : text };
}

/** Whether the generator had no time left, so that the server may be faster than it looks. */
export function isFull(series: Series | undefined): boolean {
  return (summarize(series, "generatorBusy")?.median ?? 0) > FULL;
}

const FULL = 0.9;

/** The same comparison by processor time of the servers, which other work on the machine disturbs less. */
function byProcessorTime(scenario: Scenario, series: Series, other: Series): string {
  if (scenario.metric !== "perSecond") return "";
  const times = ratio(series, other, "perCpuSecond")?.median;
  return times === undefined ? "" : ` (by processor time ${times.toFixed(2)} ×)`;
}

/** A number with three significant digits, thousands as k and millions as M. */
export function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
