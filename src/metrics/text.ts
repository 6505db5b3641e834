import type { Metric } from "./metric.ts";
import type { MetricSample } from "./sample.ts";

/** Metrics in Prometheus' text format 0.0.4. */
export function toText(metrics: readonly Metric[]): string {
  return lines(metrics, (name) => name, String).join("");
}

/** Metrics in the text format of OpenMetrics 1.0, in which a counter's name lacks `_total` and bounds are written as fractions. */
export function toOpenMetrics(metrics: readonly Metric[]): string {
  const familyOf = (name: string): string => name.replace(/_total$/, "");
  const bound = (value: number): string => Number.isInteger(value) ? `${value}.0` : String(value);
  return [...lines(metrics, familyOf, bound), "# EOF\n"].join("");
}

function lines(
  metrics: readonly Metric[],
  familyOf: (name: string) => string,
  bound: (value: number) => string,
): string[] {
  return metrics.flatMap(({ name, type, help, samples }) => {
    if (samples.length === 0) return [];
    const family = familyOf(name);
    const head = [`# HELP ${family} ${escapeHelp(help)}\n`, `# TYPE ${family} ${type}\n`];
    return [...head, ...samples.flatMap((sample) => values(name, sample, bound))];
  });
}

function values(
  name: string,
  { labels, value, buckets }: MetricSample,
  bound: (value: number) => string,
): string[] {
  if (!buckets) return [line(name, labels, value)];
  let below = 0;
  const cumulative = buckets.counts.map((count, index) => {
    below += count;
    const upper = buckets.bounds[index];
    return line(`${name}_bucket`, { ...labels, le: upper === undefined ? "+Inf" : bound(upper) }, below);
  });
  return [...cumulative, line(`${name}_sum`, labels, buckets.sum), line(`${name}_count`, labels, value)];
}

function line(name: string, labels: MetricSample["labels"], value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
