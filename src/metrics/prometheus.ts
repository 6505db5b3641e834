/**
 * The numbers of a hub for Prometheus, and for any other exporter.
 *
 * `serve({ metrics: "/metrics" })` answers a scrape by itself; {@link metricsHandler} does it in a server of your own. Names,
 * labels and alerts are in `docs/observability.md`.
 *
 * @module
 */
import "../base/check/check-node.ts";
import { kindOf } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import { isEqual } from "../base/random-id.ts";
import { refuse } from "../door/admission.ts";
import { Hub } from "../hub/hub.ts";
import { type MetricsOptions, metricsOptions } from "../hub/metrics-options.ts";
import { loopDelayOf } from "./loop-delay.ts";
import { readMetrics } from "./metric.ts";
import { toOpenMetrics, toText } from "./text.ts";

export type { MetricsOptions } from "../hub/metrics-options.ts";
export { type Metric, readMetrics } from "./metric.ts";
export type { MetricSample } from "./sample.ts";

const TEXT = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/**
 * Answers the scrapes of Prometheus on one path; undefined for any other request.
 *
 * It speaks the text format, and OpenMetrics to a reader that accepts it. The values hold no id, topic or address. With a
 * `token` a reader that does not send it gets 401; without one, keep the path from the public in your proxy. Throws a TypeError
 * (`invalid_argument`) for bad options, such as a token that is undefined.
 *
 * ```ts
 * import { metricsHandler } from "meshsocket/prometheus";
 *
 * const metrics = metricsHandler(hub, { path: "/metrics", token: "a long random text" });
 * const fetch = (request: Request) => metrics(request) ?? new Response("hello");
 * ```
 */
export function metricsHandler<Data = unknown>(
  hub: Hub<Data>,
  options: MetricsOptions = {},
): (request: Request) => Response | undefined {
  checkIsHub("metricsHandler(hub)", hub);
  const { path, token } = metricsOptions(options);
  loopDelayOf(hub);
  return (request) => {
    // Bun gives a bare path as the URL of a request without a Host.
    if (URL.parse(request.url, "http://localhost")?.pathname !== path) return undefined;
    if (token !== undefined && !isEqual(request.headers.get("authorization") ?? "", `Bearer ${token}`)) {
      return refuse(401, "the metrics need their token", { "www-authenticate": "Bearer" });
    }
    return answer(request, hub);
  };
}

function answer<Data>({ method, headers }: Request, hub: Hub<Data>): Response {
  if (method !== "GET" && method !== "HEAD") {
    return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
  }
  const open = headers.get("accept")?.includes("application/openmetrics-text") === true;
  const type = { "content-type": open ? OPEN_METRICS : TEXT, "cache-control": "no-store" };
  if (method === "HEAD") return new Response(null, { headers: type });
  return new Response(open ? toOpenMetrics(readMetrics(hub)) : toText(readMetrics(hub)), { headers: type });
}

/**
 * The metrics of a hub in Prometheus' text format: to append to those of another library.
 *
 * ```ts
 * import { prometheusText } from "meshsocket/prometheus";
 *
 * const answer = async (registry: { metrics(): Promise<string> }) =>
 *   new Response((await registry.metrics()) + prometheusText(hub));
 * ```
 */
export function prometheusText<Data = unknown>(hub: Hub<Data>): string {
  checkIsHub("prometheusText(hub)", hub);
  return toText(readMetrics(hub));
}

function checkIsHub(usage: string, hub: unknown): void {
  if (!(hub instanceof Hub)) {
    throw invalidArgument(`the hub must be a Hub or a DistHub, not ${kindOf(hub)}: write ${usage}`);
  }
}
