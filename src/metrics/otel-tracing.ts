import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { Tracing } from "../base/trace/tracing.ts";
import { failureOf, outcomeOf } from "../send/calls.ts";

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SYSTEM = { "messaging.system": "meshsocket" };

/** {@link Tracing} by a tracer of OpenTelemetry. Names and attributes follow its conventions for messaging and RPC, where these have one. */
export class OtelTracing implements Tracing {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  handler<Result>(name: string, client: string, run: () => Result): Result {
    const attributes: Attributes = { ...SYSTEM, "messaging.operation.name": name, "meshsocket.client.id": client };
    if (name === "onEvent") attributes["messaging.operation.type"] = "process";
    return this.#within(context.active(), `meshsocket ${name}`, KINDS[name] ?? SpanKind.INTERNAL, attributes, run);
  }

  verb<Result>(verb: string, run: () => Promise<Result>): Promise<Result> {
    const active = context.active();
    if (!isTraced(active)) return run();
    const kind = SENDS.has(verb) ? SpanKind.PRODUCER : SpanKind.CLIENT;
    const attributes: Attributes = { ...SYSTEM, "messaging.operation.name": verb };
    if (SENDS.has(verb)) attributes["messaging.operation.type"] = "send";
    return this.#within(active, `meshsocket ${verb}`, kind, attributes, run);
  }

  received<Result>(kind: string, traceparent: string, run: () => Result): Result {
    const attributes = { ...SYSTEM, "messaging.operation.name": kind, "messaging.operation.type": "receive" };
    return this.#within(remote(traceparent), `meshsocket receive ${kind}`, SpanKind.CONSUMER, attributes, run);
  }

  rpc<Result>(
    service: string,
    method: string,
    traceparent: string | null,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const attributes = { "rpc.system": "connect_rpc", "rpc.service": service, "rpc.method": method };
    const parent = traceparent === null ? context.active() : remote(traceparent);
    return this.#within(parent, `${service}/${method}`, SpanKind.SERVER, attributes, run);
  }

  traceparent(): string | undefined {
    const span = trace.getSpanContext(context.active());
    if (!span || !isSpanContextValid(span)) return undefined;
    return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
  }

  #within<Result>(parent: Context, name: string, kind: SpanKind, attributes: Attributes, run: () => Result): Result {
    const span = this.#tracer.startSpan(name, { kind, attributes }, parent);
    try {
      const result = context.with(trace.setSpan(parent, span), run);
      // Any other thenable might begin its work when it is asked for its result, a second time.
      if (result instanceof Promise) {
        result.then((value) => ended(span, value), (error: unknown) => failed(span, error));
      } else ended(span, undefined);
      return result;
    } catch (error) {
      failed(span, error);
      throw error;
    }
  }
}

/** The calls that hand a message on and wait for no answer of its client. */
const SENDS: ReadonlySet<string> = new Set(["emit", "publish", "broadcast", "user_emit"]);
const KINDS: Readonly<Record<string, SpanKind>> = { onEvent: SpanKind.CONSUMER, onRequest: SpanKind.SERVER };

function isTraced(active: Context): boolean {
  const span = trace.getSpanContext(active);
  return span !== undefined && isSpanContextValid(span);
}

/** The context of a span elsewhere; without one if the text is not one. */
function remote(traceparent: string): Context {
  const [, traceId, spanId, flags = "00"] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined) return context.active();
  const span = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return trace.setSpanContext(context.active(), span);
}

function ended(span: Span, result: unknown): void {
  const outcome = outcomeOf(result);
  if (outcome !== "ok") span.setAttribute("meshsocket.result", outcome);
  span.end();
}

function failed(span: Span, error: unknown): void {
  const code = failureOf(error);
  const type = code === "aborted" && error instanceof Error ? error.name : code;
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR });
  if (error instanceof Error) span.recordException(error);
  span.end();
}
