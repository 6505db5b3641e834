/** Guarantee 12: the numbers of a hub as Prometheus reads them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCode } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Client } from "../../src/client/client.ts";
import { Hub } from "../../src/hub/hub.ts";
import { metricsHandler, prometheusText, readMetrics } from "../../src/metrics/prometheus.ts";
import { toOpenMetrics, toText } from "../../src/metrics/text.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { samplesOf } from "../kit/promtool.ts";
import { until } from "../kit/until.ts";

test("metrics: a histogram is written with cumulative buckets, sum and count, and labels are escaped", () => {
  const metrics = [
    { name: "a_total", type: "counter", help: "A \\ line\nmore.", samples: [{ labels: { x: 'b"\\\n' }, value: 2 }] },
    {
      name: "b_seconds",
      type: "histogram",
      help: "B.",
      samples: [{ labels: { y: "z" }, value: 6, buckets: { bounds: [0.5, 1], counts: [1, 2, 3], sum: 7.25 } }],
    },
    { name: "empty", type: "gauge", help: "C.", samples: [] },
  ] as const;
  assert.equal(
    toText(metrics),
    `# HELP a_total A \\\\ line\\nmore.
# TYPE a_total counter
a_total{x="b\\"\\\\\\n"} 2
# HELP b_seconds B.
# TYPE b_seconds histogram
b_seconds_bucket{y="z",le="0.5"} 1
b_seconds_bucket{y="z",le="1"} 3
b_seconds_bucket{y="z",le="+Inf"} 6
b_seconds_sum{y="z"} 7.25
b_seconds_count{y="z"} 6
`,
  );
  const open = toOpenMetrics(metrics);
  assert.match(open, /^# TYPE a counter\na_total\{/m);
  assert.match(open, /^b_seconds_bucket\{y="z",le="1\.0"\} 3$/m);
  assert.match(open, /\n# EOF\n$/);
});

test("metrics: a hub shows what happened, and labels never hold an id, a topic or a code that a client chose", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const alice = await MemoryClient.open(hub, { id: "alice-7f3", onConnect: (client) => client.subscribe("room-7f3") });
  await hub.emit("alice-7f3", "hi");
  await hub.publish("room-7f3", "hi");
  await alice.close(4_999);
  await until("the close", () => hub.counters.closes[4_999] === 1);
  const text = prometheusText(hub);
  const value = (line: string): number =>
    Number(text.split("\n").find((one) => one.startsWith(`${line} `))?.split(" ")[1]);
  assert.equal(value("meshsocket_connects_total"), 1);
  assert.equal(value('meshsocket_closes_total{code="other"}'), 1);
  assert.equal(value('meshsocket_closes_total{code="1000"}'), 0);
  assert.equal(value('meshsocket_sends_total{verb="emit",result="ok"}'), 1);
  assert.equal(value('meshsocket_sends_total{verb="publish",result="ok"}'), 1);
  assert.equal(value('meshsocket_fan_out_clients_bucket{le="1"}'), 1);
  assert.equal(value('meshsocket_status{status="ready"}'), 1);
  assert.doesNotMatch(text, /7f3|4999/);
});

test("metrics: only a node of a cluster has those of a cluster, and the number of series is bounded", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = [await cluster.start(), await cluster.start()];
  const series = (hub: Hub): number => samplesOf(prometheusText(hub)).length;
  const work = async (round: number): Promise<void> => {
    for (let index = 0; index < 20; index++) {
      const client = await b.connect(`client-${round}-${index}`);
      await a.hub.subscribe(`client-${round}-${index}`, `topic-${round}-${index}`);
      await a.hub.publish(`topic-${round}-${index}`, "hi");
      await a.hub.emit(`client-${round}-${index}`, "hi");
      await client.close(4_000 + round * 20 + index);
    }
  };
  await work(0);
  const before = [series(a.hub), series(b.hub)];
  await work(1);
  assert.deepEqual([series(a.hub), series(b.hub)], before);
  assert.ok(before.every((count) => count < 500), String(before));
  const names = (hub: Hub): string[] => readMetrics(hub).map(({ name }) => name);
  await using alone = new Hub();
  assert.ok(names(a.hub).includes("meshsocket_lease_remaining_seconds"));
  assert.ok(!names(alone).includes("meshsocket_lease_remaining_seconds"));
});

test("metrics: each name begins with meshsocket, a counter ends with _total, and help is one sentence", async () => {
  await using cluster = new MemoryCluster();
  const { hub } = await cluster.start();
  const metrics = readMetrics(hub);
  for (const { name, type, help } of metrics) {
    assert.match(name, /^meshsocket_[a-z]+(?:_[a-z]+)*$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^[A-Z0-9].*\.$/, name);
  }
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
});

test("metrics: topics are those that clients listen on, without the library's own", async () => {
  await using hub = new Hub();
  const topics = (): unknown[] => [
    readMetrics(hub).find(({ name }) => name === "meshsocket_topics")?.samples[0]?.value,
    hub.topics().length,
  ];
  const session = { user: "alice", onConnect: (client: Client) => client.subscribe("news") };
  const [one, two] = [
    await MemoryClient.open(hub, { ...session, id: "a" }),
    await MemoryClient.open(hub, { ...session, id: "b" }),
  ];
  await hub.subscribe("a", "sport");
  assert.deepEqual(topics(), [2, 2]);
  await one.close();
  await until("one to be gone", () => hub.size === 1);
  assert.deepEqual(topics(), [1, 1]);
  await two.close();
  await until("all to be gone", () => hub.size === 0);
  assert.deepEqual(topics(), [0, 0]);
});

test("metrics: the event loop is watched from the first reading on", async () => {
  await using hub = new Hub();
  const read = () => readMetrics(hub).find(({ name }) => name === "meshsocket_event_loop_delay_seconds")?.samples[0];
  assert.equal(read()?.value, 0);
  await until("a beat", () => (read()?.value ?? 0) > 0);
});

test("metrics: a handler answers its path alone, in the format that is asked for, and only with its token", async () => {
  await using hub = new Hub();
  const metrics = metricsHandler(hub, { path: "/numbers", token: "secret" });
  const ask = (headers: HeadersInit, path = "/numbers", method = "GET"): Response | undefined =>
    metrics(new Request(`http://localhost${path}`, { method, headers }));
  const authorization = "Bearer secret";
  assert.equal(ask({ authorization }, "/metrics"), undefined);
  assert.equal(ask({})?.status, 401);
  assert.equal(ask({ authorization: "Bearer secreT" })?.status, 401);
  const plain = ask({ authorization });
  assert.equal(plain?.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(plain?.headers.get("cache-control"), "no-store");
  assert.match(await plain?.text() ?? "", /^# HELP meshsocket_status /);
  const open = ask({ authorization, accept: "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1" });
  assert.match(open?.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  assert.match(await open?.text() ?? "", /# EOF\n$/);
  assert.deepEqual([
    ask({ authorization }, "/numbers", "POST")?.status,
    ask({ authorization }, "/numbers", "HEAD")?.status,
  ], [405, 200]);
});

test("metrics: bad arguments throw, a token that is undefined too", async () => {
  await using hub = new Hub();
  throwsInvalid(() => metricsHandler({} as Hub), /the hub must be a Hub or a DistHub/);
  throwsInvalid(() => metricsHandler(hub, { path: "metrics" }), /metrics\.path must begin with "\/"/);
  throwsInvalid(() => metricsHandler(hub, { token: undefined as unknown as string }), /metrics\.token is undefined/);
  throwsInvalid(() => metricsHandler(hub, { token: "" }), /metrics\.token must not be empty/);
  throwsInvalid(() => metricsHandler(hub, true as never), /metrics must be a path such as "\/metrics"/);
  throwsInvalid(() => prometheusText(undefined as unknown as Hub), /the hub must be a Hub/);
});

function throwsInvalid(call: () => unknown, says: RegExp): void {
  assert.throws(call, (error: unknown) => {
    assert.equal(errorCode(error), "invalid_argument");
    assert.match((error as Error).message, says);
    return true;
  });
}
