/**
 * OpenTelemetry for a hub: spans and metrics, by `@opentelemetry/api` alone. Set up an SDK of your choice before.
 *
 * `docs/observability.md` lists the spans and their attributes.
 *
 * @module
 */
import { type MeterProvider, metrics, trace, type TracerProvider } from "@opentelemetry/api";
import { checkFlag, checkOptions, defined, kindOf, type OptionCheck, type OptionTable } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import { Hub } from "../hub/hub.ts";
import { Sender } from "../send/sender.ts";
import { observe } from "./otel-metrics.ts";
import { OtelTracing } from "./otel-tracing.ts";

/** How {@link instrument} traces and counts. */
export interface InstrumentOptions {
  /** Whether spans are made. Default true. */
  traces?: boolean;
  /** Whether the numbers of a hub are given to the meter. Default true. */
  metrics?: boolean;
  /** Default: the global one. */
  tracerProvider?: TracerProvider;
  /** Default: the global one. */
  meterProvider?: MeterProvider;
}

const NAME = "meshsocket";

/**
 * Gives the spans and the numbers of a hub, or the spans of a DistClient, to OpenTelemetry. Returns what stops that.
 *
 * Handlers of sessions and RPCs of back-ends begin spans; calls of a hub or a client continue one that is active, on the other
 * nodes too, as long as these are instrumented. Messages are not changed, and without an active span nothing is added to what
 * travels between nodes. Throws a TypeError (`invalid_argument`) for anything that is neither, and for bad options.
 *
 * ```ts
 * import { instrument } from "meshsocket/otel";
 *
 * const stop = instrument(hub); // after your SDK was started
 * ```
 */
export function instrument<Data = unknown>(target: Hub<Data> | Sender, options: InstrumentOptions = {}): () => void {
  if (!(target instanceof Sender)) {
    throw invalidArgument(`instrument takes a Hub, a DistHub or a DistClient, not ${kindOf(target)}`);
  }
  checkOptions<InstrumentOptions>("options", options, OPTIONS);
  const { tracerProvider = trace.getTracerProvider(), meterProvider = metrics.getMeterProvider() } = options;
  const { traces } = target;
  const tracing = new OtelTracing(tracerProvider.getTracer(NAME));
  if (options.traces !== false) traces.current = tracing;
  const counts = options.metrics !== false && target instanceof Hub;
  const forget = counts ? observe(target, meterProvider.getMeter(NAME)) : undefined;
  return () => {
    if (traces.current === tracing) traces.current = undefined;
    forget?.();
  };
}

const provider = (method: string): OptionCheck => (name, value) => {
  if (typeof (value as Record<string, unknown> | null)?.[method] === "function") return;
  throw invalidArgument(
    `${name} must have ${method}(), as a provider of OpenTelemetry has, and not be ${kindOf(value)}`,
  );
};

const OPTIONS: OptionTable<InstrumentOptions> = {
  traces: checkFlag,
  metrics: checkFlag,
  tracerProvider: defined(provider("getTracer")),
  meterProvider: defined(provider("getMeter")),
};
