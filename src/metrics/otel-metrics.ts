import type { BatchObservableResult, Meter, Observable } from "@opentelemetry/api";
import type { Hub } from "../hub/hub.ts";
import { definitionsOf, type Metric, readMetrics } from "./metric.ts";
import type { MetricSample } from "./sample.ts";

/** Gives the numbers of a hub to a meter, which reads them when it collects. Returns what stops that. */
export function observe<Data>(hub: Hub<Data>, meter: Meter): () => void {
  const instruments = new Map(definitionsOf(hub).map((metric) => [metric.name, instrumentsOf(metric, meter)]));
  const observables = [...instruments.values()].flatMap(({ value, sum, bucket }) => [value, sum, bucket])
    .filter((one) => one !== undefined);
  const collect = (result: BatchObservableResult): void => {
    for (const { name, samples } of readMetrics(hub)) {
      const own = instruments.get(name);
      for (const sample of own ? samples : []) observeSample(result, own ?? {}, sample);
    }
  };
  meter.addBatchObservableCallback(collect, observables);
  return () => meter.removeBatchObservableCallback(collect, observables);
}

/** The instruments of one metric. The API has no histogram that is read from outside: its count, sum and buckets are counters. */
interface Instruments {
  readonly value?: Observable;
  readonly sum?: Observable;
  readonly bucket?: Observable;
}

function instrumentsOf({ name, type, help }: Pick<Metric, "name" | "type" | "help">, meter: Meter): Instruments {
  const unit = name.endsWith("_seconds") ? "s" : /_bytes(?:_total)?$/.test(name) ? "By" : "1";
  const plain = `meshsocket.${name.replace(/^meshsocket_|_total$|_seconds$|_ratio$/g, "")}`;
  const options = { description: help, unit };
  if (type === "gauge") return { value: meter.createObservableGauge(plain, options) };
  if (type === "counter") return { value: meter.createObservableCounter(plain, options) };
  return {
    value: meter.createObservableCounter(`${plain}.count`, { description: help }),
    sum: meter.createObservableCounter(`${plain}.sum`, options),
    bucket: meter.createObservableCounter(`${plain}.bucket`, { description: help }),
  };
}

function observeSample(
  result: BatchObservableResult,
  { value, sum, bucket }: Instruments,
  { labels, value: count, buckets }: MetricSample,
): void {
  if (value) result.observe(value, count, labels);
  if (!buckets) return;
  if (sum) result.observe(sum, buckets.sum, labels);
  let below = 0;
  for (const [index, more] of buckets.counts.entries()) {
    below += more;
    if (bucket) result.observe(bucket, below, { ...labels, le: String(buckets.bounds[index] ?? "+Inf") });
  }
}
