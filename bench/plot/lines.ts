import { find, type Results, short, summarize } from "../run/results.ts";
import { scenarios } from "../run/scenarios.ts";
import type { Scenario } from "../run/scenario.ts";
import { type Drawing, type Panel, panels } from "./panels.ts";

const RUNTIMES = { node: "#15803d", bun: "#db2777", deno: "#2563eb" } as const;

/** What grows as lines, one for each runtime, from zero. */
export function lines(results: Results): Drawing {
  const points = scenarios.filter(({ curve }) => curve);
  const names = [...new Set(points.map(({ curve }) => curve?.name))];
  const all = names.map((name) => panelOf(results, points.filter(({ curve }) => curve?.name === name)));
  return panels(all, { columns: 2, width: 980, label: 70 });
}

function panelOf(results: Results, points: readonly Scenario[]): Panel {
  const [first] = points;
  return {
    title: `${first?.curve?.title ?? ""} (${first?.unit ?? ""})`,
    height: 190,
    foot: 24,
    x: { type: "category", data: points.map(({ curve }) => curve?.x) },
    y: { type: "value", min: 0, axisLabel: { formatter: (value: number) => (value === 0 ? "0" : short(value)) } },
    series: Object.entries(RUNTIMES).map(([runtime, color]) => ({
      type: "line",
      name: runtime,
      color,
      data: points.map((point) => {
        const [series] = find(results, point.name, "meshsocket", runtime);
        return summarize(series, point.metric)?.median ?? null;
      }),
    })),
  };
}
