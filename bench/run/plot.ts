import type { Kind } from "./contenders.ts";
import { find, type Results, short, summarize } from "./results.ts";
import type { Scenario } from "./scenario.ts";

const COLORS: Readonly<Record<Kind, string>> = {
  meshsocket: "#2563eb",
  native: "#64748b",
  engine: "#94a3b8",
  limit: "#cbd5e1",
  crossws: "#d97706",
  "Socket.IO": "#111827",
};
const ROW = 16;
const GAP = 14;
const LABEL = 190;
const WIDTH = 860;
const BAR = WIDTH - LABEL - 90;

/** The scenarios as bars, each scenario on a scale of its own, from zero. */
export function toSvg(
  results: Results,
  scenarios: readonly Scenario[],
): string {
  let top = 34;
  const parts: string[] = [];
  for (const scenario of scenarios) {
    const bars = barsOf(results, scenario);
    if (bars.length === 0) continue;
    const most = Math.max(...bars.map(({ value }) => value));
    parts.push(
      text(
        8,
        top,
        `${scenario.title} (${scenario.unit}, ${scenario.better} is better)`,
        "bold",
      ),
    );
    top += 8;
    for (const { kind, runtime, value } of bars) {
      const width = Math.max(1, (value / most) * BAR);
      parts.push(
        text(LABEL - 8, top + 12, `${kind} on ${runtime}`, "normal", "end"),
      );
      parts.push(
        `<rect x="${LABEL}" y="${top + 2}" width="${width.toFixed(1)}" height="${ROW - 4}" fill="${COLORS[kind]}"/>`,
      );
      parts.push(text(LABEL + width + 6, top + 12, short(value)));
      top += ROW;
    }
    top += GAP + 12;
  }
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}">`;
  const paper = `<rect width="${WIDTH}" height="${top}" fill="#ffffff"/>`;
  return `${head}\n${paper}\n${parts.join("\n")}\n</svg>\n`;
}

interface Bar {
  readonly kind: Kind;
  readonly runtime: string;
  readonly value: number;
}

function barsOf(results: Results, scenario: Scenario): Bar[] {
  return (Object.keys(COLORS) as Kind[]).flatMap((kind) =>
    find(results, scenario.name, kind).flatMap((series) => {
      const value = summarize(series, scenario.metric)?.median;
      return value === undefined ? [] : [{ kind, runtime: series.contender.runtime, value }];
    })
  );
}

function text(
  x: number,
  y: number,
  content: string,
  weight = "normal",
  anchor = "start",
): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${
    x.toFixed(0)
  }" y="${y}" font-family="system-ui, sans-serif" font-size="11" font-weight="${weight}" ` +
    `text-anchor="${anchor}" fill="#111827">${escaped}</text>`;
}
