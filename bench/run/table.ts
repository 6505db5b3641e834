import type { Kind } from "./contenders.ts";
import { find, isFull, ratio, type Results, short, summarize, verdicts } from "./results.ts";
import type { Scenario } from "./scenario.ts";

const RUNTIMES = ["node", "bun", "deno"] as const;
const KINDS: readonly Kind[] = [
  "meshsocket",
  "v1",
  "tagged",
  "kept",
  "streams",
  "native",
  "engine",
  "limit",
  "legs",
  "crossws",
  "Socket.IO",
];

/** The results as Markdown: for each scenario a table of medians, and the outcome of its targets. */
export function toMarkdown(
  results: Results,
  scenarios: readonly Scenario[],
): string {
  const parts = scenarios.filter(({ name }) => results.series.some(({ scenario }) => scenario === name));
  const points = parts.filter(({ curve }) => curve);
  const curves = [...new Set(points.map(({ curve }) => curve?.name))];
  return [
    ...parts.filter(({ curve }) => !curve).map((scenario) => section(results, scenario)),
    ...curves.map((name) => curveSection(results, points.filter(({ curve }) => curve?.name === name))),
  ].join("\n");
}

/** A curve as a table: a row for each point. */
function curveSection(results: Results, points: readonly Scenario[]): string {
  const [first] = points;
  if (!first?.curve) return "";
  const rows = points.map((point) => {
    const cells = RUNTIMES.map((runtime) => {
      const [series] = find(results, point.name, "meshsocket", runtime);
      const [all, each] = [summarize(series, point.metric), summarize(series, "perCpuSecond")];
      return all ? `${short(all.median)} (${short(each?.median ?? 0)})` : "";
    });
    return `| ${point.curve?.x} | ${cells.join(" | ")} |`;
  });
  return [
    `### ${first.curve.title}`,
    "",
    `${first.unit}, and in brackets for each second of the servers' processor time. \`npm run bench -- --scenario ${first.curve.name}\``,
    "",
    "| | Node | Bun | Deno |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

function section(results: Results, scenario: Scenario): string {
  const lines = [
    `### ${scenario.title}`,
    "",
    `${scenario.unit}, ${scenario.better} is better. \`npm run bench -- --scenario ${scenario.name}\``,
    "",
    "| | Node | Bun | Deno |",
    "| --- | --- | --- | --- |",
    ...KINDS.filter((kind) => find(results, scenario.name, kind).length > 0)
      .map((kind) => row(results, scenario, kind)),
    "",
  ];
  const verdictLines = verdicts(results, scenario).map((
    { runtime, text, met },
  ) => `- ${met ? "reached" : "**missed**"} on ${runtime}: ${text}`);
  return [...lines, ...verdictLines, verdictLines.length > 0 ? "" : undefined]
    .filter((line) => line !== undefined).join("\n");
}

function row(results: Results, scenario: Scenario, kind: Kind): string {
  const cells = RUNTIMES.map((runtime) => cell(results, scenario, kind, runtime));
  return `| ${kind === "meshsocket" ? "**meshsocket**" : kind} | ${cells.join(" | ")} |`;
}

/** The median, its spread over the runs, and meshsocket's ratio to it. */
function cell(
  results: Results,
  scenario: Scenario,
  kind: Kind,
  runtime: string,
): string {
  const [series] = find(results, scenario.name, kind, runtime);
  if (!series) return "";
  const summary = summarize(series, scenario.metric);
  if (!summary) return "failed";
  const kept = summarize(series, "kept")?.median ?? 1;
  const behind = kept < 0.95 ? `, falls behind (${(kept * 100).toFixed(0)} %)` : "";
  const value = `${short(summary.median)} ±${(summary.spread * 50).toFixed(0)} %${behind}`;
  const [own] = find(results, scenario.name, "meshsocket", runtime);
  const times = ratio(own, series, scenario.metric);
  // Of servers that are as fast as the generator, none is the faster.
  const bound = isFull(series) ? ", generator full" : "";
  return kind === "meshsocket" || !times ? `${value}${bound}` : `${value}${bound} (${times.median.toFixed(2)} ×)`;
}
