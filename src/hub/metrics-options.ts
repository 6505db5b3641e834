import { checkOptions, checkPath, checkText, defined, kindOf, type OptionTable } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";

/** The path of the metrics, and who may read them. */
export interface MetricsOptions {
  /** Default `/metrics`. */
  path?: string;
  /** Readers must send it as `Authorization: Bearer …`. Default: none, and whoever reaches the port may read. */
  token?: string;
}

const METRICS_OPTIONS: OptionTable<MetricsOptions> = { path: checkPath, token: defined(checkText) };

/** The options with their defaults; a string is the path. Throws a TypeError (`invalid_argument`) for bad ones. */
export function metricsOptions(metrics: unknown): { readonly path: string; readonly token: string | undefined } {
  const options = typeof metrics === "string" ? { path: metrics } : metrics;
  if (typeof options !== "object" || options === null) {
    throw invalidArgument(`metrics must be a path such as "/metrics", or { path, token }, not ${kindOf(metrics)}`);
  }
  checkOptions<MetricsOptions>("metrics", options, METRICS_OPTIONS, "metrics.");
  const { path = "/metrics", token } = options;
  return { path, token };
}

/** Throws a TypeError (`invalid_argument`) unless it can be the `metrics` of `serve`, next to its other paths. */
export function checkServeMetrics(metrics: unknown, others: readonly (string | undefined)[]): void {
  if (metrics === undefined) return;
  const { path } = metricsOptions(metrics);
  if (!others.includes(path)) return;
  throw invalidArgument(`metrics needs a path of its own, and ${JSON.stringify(path)} is taken: set another one`);
}
