import { spawnSync } from "node:child_process";

/** Runs Prometheus' own tool; returns what it says, "" for nothing, and throws if it finds an error. */
export function promtool(args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync("promtool", [...args], { input, encoding: "utf8" });
  if (error) throw error;
  const said = `${stdout}${stderr}`;
  if (status !== 0) throw new Error(`promtool ${args.join(" ")} ended with ${status}: ${said}`);
  return said;
}

/** One sample of a scrape. */
export interface ScrapedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of a scrape in the text format. */
export function samplesOf(text: string): ScrapedSample[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const [, name = "", pairs = "", value = ""] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const labels = [...pairs.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", of = ""]) => [label, of]);
    return { name, labels: Object.fromEntries(labels) as Record<string, string>, value: Number(value) };
  });
}
