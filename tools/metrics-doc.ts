/** Writes the table of docs/observability.md from the tables of src/metrics: `npm run docs`. */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { CLUSTER_METRICS } from "../src/metrics/cluster-table.ts";
import { type Definition, HUB_METRICS } from "../src/metrics/table.ts";
import { withPart } from "./marked.ts";

/** The page with the metrics of now. */
export function metricsDoc(page: string): string {
  const head = ["| metric | type | what it says |", "| --- | --- | --- |"];
  const rows = [...HUB_METRICS.map(rowOf), ...CLUSTER_METRICS.map((metric) => rowOf(metric, true))];
  return withPart(page, "metrics", [...head, ...rows].join("\n"));
}

function rowOf({ name, type, help }: Definition, ofCluster: unknown): string {
  return `| \`${name}\` | ${type} | ${help}${ofCluster === true ? " (DistHub)" : ""} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = new URL("../docs/observability.md", import.meta.url);
  writeFileSync(path, metricsDoc(readFileSync(path, "utf8")));
}
