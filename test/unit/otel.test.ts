/** Spans and metrics of a hub, as the SDK of OpenTelemetry collects them. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { errorCode } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { Hub } from "../../src/hub/hub.ts";
import { BatchPacker, BatchUnpacker } from "../../src/link/packed-batch.ts";
import { instrument } from "../../src/metrics/otel.ts";
import { V1_PROTOCOL } from "../../src/wire/v1.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { until } from "../kit/until.ts";
import { V1Client } from "../kit/v1-client.ts";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
after(() => context.disable());

/** A provider whose spans are kept. */
class Traced {
  readonly #exporter = new InMemorySpanExporter();
  readonly provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })] });

  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** The spans that have ended, by name, once there is one of each. */
  async named(...names: string[]): Promise<ReadableSpan[]> {
    await until(names.join(), () => names.every((name) => this.spans.some((span) => span.name === name)));
    return names.map((name) => this.spans.find((span) => span.name === name) as ReadableSpan);
  }

  /** Runs within a span of the application. */
  within<Result>(run: () => Promise<Result>): Promise<Result> {
    const tracer = this.provider.getTracer("application");
    return tracer.startActiveSpan("application", async (span) => {
      try {
        return await run();
      } finally {
        span.end();
      }
    });
  }
}

function isChild(child: ReadableSpan | undefined, parent: ReadableSpan | undefined): boolean {
  return parent !== undefined && child?.parentSpanContext?.spanId === parent.spanContext().spanId &&
    child.spanContext().traceId === parent.spanContext().traceId;
}

test("otel: a handler is a span, and what it sends is a child of it, on another node too", async () => {
  const traced = new Traced();
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  for (const { hub } of [a, b]) instrument(hub, { tracerProvider: traced.provider, metrics: false });
  const bob = await b.connect("bob");
  const alice = await a.connect("alice", {
    id: "alice",
    onEvent: async (_, message) => {
      await Promise.resolve();
      await a.hub.emit("bob", message);
    },
  });
  alice.send("hi");
  assert.equal(await bob.next(), "hi");
  const [handler, emit, receive] = await traced.named(
    "meshsocket onEvent",
    "meshsocket emit",
    "meshsocket receive emit",
  );
  assert.ok(isChild(emit, handler));
  assert.ok(isChild(receive, emit));
  assert.deepEqual([handler?.kind, emit?.kind, receive?.kind], [
    SpanKind.CONSUMER,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
  ]);
  assert.deepEqual(handler?.attributes, {
    "messaging.system": "meshsocket",
    "messaging.operation.name": "onEvent",
    "messaging.operation.type": "process",
    "meshsocket.client.id": "alice",
  });
});

test("otel: publish, broadcast, request and confirm carry their span to the other nodes", async () => {
  const traced = new Traced();
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  for (const { hub } of [a, b]) instrument(hub, { tracerProvider: traced.provider, metrics: false });
  const bob = await V1Client.open(b.hub, {
    id: "bob",
    protocol: V1_PROTOCOL,
    onConnect: (client) => client.subscribe("news"),
  });
  await until("the subscription", () => b.hub.topics().includes("news"));
  await traced.within(async () => {
    await a.hub.publish("news", "one");
    await a.hub.broadcast("two");
    const asked = a.hub.request("bob", "three");
    assert.deepEqual(await bob.take(2), ["one", "two"]);
    const [, number = ""] = /^~request (\d+)\n/.exec(String(await bob.next())) ?? [];
    bob.send(`~reply ${number}\nyes`);
    assert.equal(await asked, "yes");
  });
  const [application] = await traced.named("application");
  for (const verb of ["publish", "broadcast", "request"]) {
    const [call, receive] = await traced.named(`meshsocket ${verb}`, `meshsocket receive ${verb}`);
    assert.ok(isChild(call, application) && isChild(receive, call), verb);
  }
});

test("otel: without an active span nothing is traced, and nothing is added to what goes to another node", async () => {
  const traced = new Traced();
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  for (const { hub } of [a, b]) instrument(hub, { tracerProvider: traced.provider, metrics: false });
  const bob = await b.connect("bob");
  await traced.named("meshsocket onConnect");
  await a.hub.emit("bob", "hi");
  assert.equal(await bob.next(), "hi");
  await traced.within(() => Promise.resolve());
  await traced.named("application");
  assert.deepEqual(traced.spans.map(({ name }) => name).sort(), ["application", "meshsocket onConnect"]);
});

test("otel: on a node that is not instrumented a traced item is done all the same", async () => {
  const traced = new Traced();
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  instrument(a.hub, { tracerProvider: traced.provider, metrics: false });
  const bob = await b.connect("bob");
  assert.equal(await traced.within(() => a.hub.emit("bob", "hi")), true);
  assert.equal(await bob.next(), "hi");
});

test("otel: an item with a span goes over a packed line and back", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const emit = { $typeName: "meshsocket.node.v1.Emit", id: "a", data: new Uint8Array([1]), binary: true } as const;
  const kind = { case: "emit", value: emit } as const;
  const items = [{ $typeName: "meshsocket.node.v1.Item", kind, traceparent }, {
    $typeName: "meshsocket.node.v1.Item",
    kind,
  }] as const;
  const bytes = new BatchPacker().pack({
    $typeName: "meshsocket.node.v1.Batch",
    line: "l",
    toLife: "t",
    number: 1n,
    items: [...items],
  });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const contextBytes = 4 + view.getUint32(0, true);
  const batch = new BatchUnpacker().unpack(bytes.subarray(contextBytes + 4));
  assert.deepEqual(batch?.items.map((item) => item.traceparent), [traceparent, undefined]);
  assert.deepEqual(batch?.items.map((item) => item.kind.case), ["emit", "emit"]);
});

test("otel: an RPC of a back-end is a span of the server, the child of the caller's, and the send is its child", async () => {
  const traced = new Traced();
  await using cluster = new MemoryCluster();
  const node = await cluster.start();
  const { hub } = node;
  const alice = await node.connect("alice");
  instrument(hub, { tracerProvider: traced.provider, metrics: false });
  const server = new DistServer(hub);
  const fetch = async (request: Request | string | URL, init?: RequestInit): Promise<Response> =>
    (await server.fetch(new Request(request, init))) ?? new Response(null, { status: 404 });
  using client = new DistClient({ url: "http://localhost", fetch });
  instrument(client, { tracerProvider: traced.provider });
  assert.equal(await traced.within(() => client.emit("alice", "hi")), true);
  assert.equal(await alice.next(), "hi");
  const [rpc, application] = await traced.named("meshsocket.v1.Cluster/Emit", "application");
  const emits = traced.spans.filter(({ name }) => name === "meshsocket emit");
  const ofClient = emits.find((span) => isChild(span, application));
  assert.ok(isChild(rpc, ofClient));
  assert.ok(emits.some((span) => isChild(span, rpc)));
  assert.equal(rpc?.kind, SpanKind.SERVER);
  assert.deepEqual(rpc?.attributes, {
    "rpc.system": "connect_rpc",
    "rpc.service": "meshsocket.v1.Cluster",
    "rpc.method": "Emit",
  });
});

test("otel: a failure is the status of its span, with the error's code, and a miss is a result", async () => {
  const traced = new Traced();
  await using hub = new Hub({ logger: silentLogger, handlerError: "report" });
  instrument(hub, { tracerProvider: traced.provider, metrics: false });
  const client = await MemoryClient.open(hub, {
    onEvent() {
      throw new RangeError("boom");
    },
  });
  client.send("x");
  const [handler] = await traced.named("meshsocket onEvent");
  assert.equal(handler?.status.code, SpanStatusCode.ERROR);
  assert.equal(handler?.attributes["error.type"], "RangeError");
  assert.equal(handler?.events[0]?.name, "exception");
  await traced.within(async () => {
    await hub.emit("nobody", "hi");
    await hub.request("nobody", "hi").catch(() => {});
  });
  const [emit, request] = await traced.named("meshsocket emit", "meshsocket request");
  assert.equal(emit?.attributes["meshsocket.result"], "missed");
  assert.equal(request?.attributes["error.type"], "not_found");
});

test("otel: the numbers of a hub are instruments that are read when the meter collects", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  await using hub = new Hub({ logger: silentLogger });
  const stop = instrument(hub, { meterProvider, traces: false });
  const client = await MemoryClient.open(hub, { id: "alice" });
  await hub.emit("alice", "hi");
  await client.next();
  await reader.forceFlush();
  const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics);
  const points = (name: string): [unknown, unknown][] =>
    all.find(({ descriptor }) => descriptor.name === name)?.dataPoints.map((
      { attributes, value },
    ) => [attributes, value]) ?? [];
  assert.deepEqual(points("meshsocket.connects"), [[{}, 1]]);
  assert.deepEqual(points("meshsocket.clients").slice(0, 1), [[{ state: "connected" }, 1]]);
  assert.ok(
    points("meshsocket.sends").some(([labels, value]) =>
      JSON.stringify(labels) === '{"verb":"emit","result":"ok"}' && value === 1
    ),
  );
  assert.ok(points("meshsocket.handler_duration.bucket").some(([labels]) => (labels as { le: string }).le === "+Inf"));
  assert.equal(all.find(({ descriptor }) => descriptor.name === "meshsocket.sent_bytes")?.descriptor.unit, "By");
  stop();
  await meterProvider.shutdown();
});

test("otel: what instrument returned stops it, and bad arguments throw", async () => {
  const traced = new Traced();
  await using hub = new Hub({ logger: silentLogger });
  const stop = instrument(hub, { tracerProvider: traced.provider, metrics: false });
  await traced.within(() => hub.emit("nobody", "hi"));
  stop();
  await traced.within(() => hub.emit("nobody", "hi"));
  await until(
    "both spans of the application",
    () => traced.spans.filter(({ name }) => name === "application").length === 2,
  );
  assert.equal(traced.spans.filter(({ name }) => name === "meshsocket emit").length, 1);
  const bad = [
    () => instrument({} as Hub),
    () => instrument(hub, { tracer: traced.provider } as never),
    () => instrument(hub, { tracerProvider: {} as never }),
    () => instrument(hub, { meterProvider: undefined as never }),
  ];
  for (const call of bad) assert.throws(call, (error) => errorCode(error) === "invalid_argument");
  // Without an SDK the API does nothing, and neither does this. Deno (2.9.6) begins a test within the span in which an earlier one loaded
  // a file by import().
  const before = trace.getActiveSpan();
  instrument(hub)();
  assert.equal(trace.getActiveSpan(), before);
});
