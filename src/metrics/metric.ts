import type { Hub } from "../hub/hub.ts";
import { loopDelayOf } from "./loop-delay.ts";
import { CLUSTER_METRICS } from "./cluster-table.ts";
import type { MetricSample } from "./sample.ts";
import { type Definition, HUB_METRICS, type Source } from "./table.ts";

/** One metric with its present values. Its name, type and labels follow the conventions of Prometheus. */
export interface Metric {
  /** Such as `meshsocket_sent_messages_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence that says what is counted. */
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

/**
 * All metrics of a hub, as they are now: for an exporter of your own.
 *
 * Counters start at 0 with the hub and only grow. The event loop is watched from the first call on, until the hub is closed.
 *
 * ```ts
 * import { readMetrics } from "meshsocket/prometheus";
 *
 * const sent = readMetrics(hub).find(({ name }) => name === "meshsocket_sent_messages_total");
 * ```
 */
export function readMetrics<Data = unknown>(hub: Hub<Data>): Metric[] {
  const source: Source = { hub: hub as Hub, counters: hub.counters, loopDelay: loopDelayOf(hub) };
  return definitionsOf(hub).map(({ name, type, help, read }) => ({ name, type, help, samples: read(source) }));
}

/** The metrics that a hub has: those of the cluster if it is a DistHub. */
export function definitionsOf<Data>(hub: Hub<Data>): readonly Definition[] {
  return "setSecret" in hub ? [...HUB_METRICS, ...CLUSTER_METRICS] : HUB_METRICS;
}
