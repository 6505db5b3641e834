import type { Kind } from "../run/contenders.ts";
import { find, type Results, short, summarize } from "../run/results.ts";
import { scenarios } from "../run/scenarios.ts";
import type { Scenario } from "../run/scenario.ts";
import { type Drawing, type Panel, panels } from "./panels.ts";

const COLORS: Readonly<Partial<Record<Kind, string>>> = {
  meshsocket: "#2563eb",
  native: "#64748b",
  engine: "#94a3b8",
  limit: "#cbd5e1",
  legs: "#cbd5e1",
  crossws: "#d97706",
  "Socket.IO": "#111827",
};
const ROW = 16;

interface Bar {
  readonly name: string;
  readonly kind: Kind;
  readonly value: number;
}

/** The scenarios as bars, each on a scale of its own, from zero. */
export function bars(results: Results): Drawing {
  const all = scenarios.filter(({ curve }) => !curve).flatMap((scenario) => panelOf(results, scenario) ?? []);
  return panels(all, { columns: 1, width: 860, label: 190 });
}

function panelOf(results: Results, scenario: Scenario): Panel | undefined {
  const { title, unit, better } = scenario;
  const rows = rowsOf(results, scenario);
  if (rows.length === 0) return undefined;
  return {
    title: `${title} (${unit}, ${better} is better)`,
    height: rows.length * ROW,
    foot: 0,
    x: { type: "value", show: false, min: 0, max: "dataMax" },
    y: { type: "category", inverse: true, data: rows.map(({ name }) => name), axisTick: { show: false } },
    series: [{
      type: "bar",
      barWidth: ROW - 5,
      data: rows.map(({ kind, value }) => ({ value, itemStyle: { color: COLORS[kind] } })),
      label: { show: true, position: "right", formatter: ({ value }) => short(Number(value)) },
    }],
  };
}

function rowsOf(results: Results, scenario: Scenario): Bar[] {
  return (Object.keys(COLORS) as Kind[]).flatMap((kind) =>
    find(results, scenario.name, kind).flatMap((series) => {
      const value = summarize(series, scenario.metric)?.median;
      return value === undefined ? [] : [{ name: `${kind} on ${series.contender.runtime}`, kind, value }];
    })
  );
}
