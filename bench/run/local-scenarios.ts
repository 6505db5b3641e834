import type { Job } from "../load/job.ts";
import { selfSigned } from "../../test/kit/certificate.ts";
import type { ServerStats } from "../servers/control.ts";
import type { Contender, Kind } from "./contenders.ts";
import { type BenchServer, load, startServer } from "./processes.ts";
import { apart, job, local, type Measured } from "./runs.ts";
import type { Scenario, Target } from "./scenario.ts";

const LOCAL: readonly Kind[] = [
  "meshsocket",
  "limit",
  "native",
  "engine",
  "Socket.IO",
  "crossws",
];

function fanOut(outstanding: number, targets: readonly Target[]): Scenario {
  return {
    name: `fanout-${outstanding}`,
    title: `Fan-out to 1,000 clients, W=${outstanding}`,
    kinds: LOCAL,
    metric: "perSecond",
    unit: "deliveries/s",
    better: "more",
    targets,
    run: (contender, measureMs) => local(contender, measureMs, { outstanding }),
  };
}

function echo(clients: number, targets: readonly Target[]): Scenario {
  return {
    name: `echo-${clients}`,
    title: `Echo, ${clients.toLocaleString("en")} clients`,
    kinds: LOCAL,
    metric: "perSecond",
    unit: "messages/s",
    better: "more",
    targets,
    run: (contender, measureMs) => local(contender, measureMs, { shape: "echo", clients }),
  };
}

/** Echo with 10,000 clients; `ofThousand` is its share of what 1,000 get just before, for each second of the server's processor time. */
async function manyEchoes(contender: Contender, measureMs: number): Promise<Measured> {
  const few = await local(contender, measureMs, { shape: "echo", clients: 1_000 });
  const many = await local(contender, measureMs, { shape: "echo", clients: 10_000 });
  return { ...many, ofThousand: (many["perCpuSecond"] ?? 0) / (few["perCpuSecond"] ?? 0) };
}

/** Idle for so long: V8 gives memory back only when nothing happens. */
const IDLE_MS = 24_000;
const IDLE_CLIENTS = 10_000;

/** The memory of idle clients, a while after they came, and on another server when V8 has given back what it had for their coming. */
async function memory(contender: Contender): Promise<Measured> {
  const soon = await memoryAfter(contender, IDLE_MS, (server) => server.stats());
  const late = await memoryAfter(contender, 0, (server) => server.settled());
  return { ...soon, settledBytes: late.rssBytes };
}

async function memoryAfter(
  contender: Contender,
  idleMs: number,
  stats: (server: BenchServer) => Promise<ServerStats>,
): Promise<{ rssBytes: number; heapBytes: number }> {
  const server = await startServer(contender);
  try {
    // These come and go: code that the first client loads and compiles is not the memory of each.
    await load(job(contender, [server], 0, { shape: "connect", clients: 1_000 }));
    const before = await stats(server);
    let after = before;
    const during = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, idleMs));
      after = await stats(server);
    };
    await load(job(contender, [server], 0, { shape: "connect", clients: IDLE_CLIENTS }), { during });
    return {
      rssBytes: (after.rssBytes - before.rssBytes) / IDLE_CLIENTS,
      heapBytes: (after.heapBytes - before.heapBytes) / IDLE_CLIENTS,
    };
  } finally {
    await server.stop();
  }
}

const scripted = ["node", "deno"];

const NEAR_THE_LIMIT: Target = { metric: "perCpuSecond", against: "limit", atLeast: 0.9, runtimes: scripted };

/** By processor time: the generator is often what bounds the messages per second. */
const ECHO: readonly Target[] = [
  { metric: "perCpuSecond", against: "limit", atLeast: 0.9, runtimes: scripted },
  { metric: "perCpuSecond", against: "native", atLeast: 1.3, runtimes: ["node"] },
  { metric: "perCpuSecond", against: "engine", atLeast: 1, runtimes: ["deno"] },
  { metric: "perCpuSecond", against: "native", atLeast: 0.92, runtimes: ["bun"] },
  { metric: "perCpuSecond", against: "Socket.IO", atLeast: 2.2, runtimes: ["node"] },
  { metric: "perCpuSecond", against: "Socket.IO", atLeast: 1.7, runtimes: ["bun"] },
];

/** Clients of meshsocket.v1 next to plain ones of the same server, by processor time. */
const V1_KINDS: readonly Kind[] = ["meshsocket", "v1"];

function v1(name: string, title: string, atLeast: number, more: Partial<Job>, of: Kind = "v1"): Scenario {
  return {
    name,
    title,
    kinds: of === "v1" ? V1_KINDS : [...V1_KINDS, of],
    metric: "perCpuSecond",
    unit: "deliveries/s of processor time",
    better: "more",
    targets: [
      { of: "v1", against: "meshsocket", atLeast },
      // Each message has a line more.
      ...(of === "tagged" ? [{ of, against: "meshsocket", atLeast: 0.8 } as const] : []),
    ],
    run: (contender, measureMs) => local(contender, measureMs, more),
  };
}

/** The same with the server and its clients on two hosts, so that neither does work of the other's TCP. */
function v1Apart(outstanding: number): Scenario {
  const title = `The same on two hosts, W=${outstanding}`;
  return {
    ...v1(`v1-apart-${outstanding}`, title, 0.85, {}),
    run: (contender, measureMs) => apart(contender, measureMs, { outstanding }),
  };
}

const topic = { shape: "topics", perTopic: 1_000 } as const;

const v1Scenarios: readonly Scenario[] = [
  v1("v1-fanout-8", "Fan-out to 1,000 clients of meshsocket.v1, W=8", 0.85, { outstanding: 8 }),
  v1("v1-fanout-64", "Fan-out to 1,000 clients of meshsocket.v1, W=64", 0.85, { outstanding: 64 }),
  v1Apart(8),
  v1Apart(64),
  v1("v1-topic-8", "The same on a topic that the clients subscribed to themselves, W=8", 0.85, {
    ...topic,
    outstanding: 8,
  }, "tagged"),
  v1("v1-topic-64", "The same on a topic that the clients subscribed to themselves, W=64", 0.85, {
    ...topic,
    outstanding: 64,
  }, "tagged"),
  v1("v1-echo-1000", "Echo, 1,000 clients of meshsocket.v1", 0.9, { shape: "echo" }),
];

export const localScenarios: readonly Scenario[] = [
  fanOut(1, [
    // A loop over `ws`, with which meshsocket is compared there.
    { against: "native", atLeast: 0.9, runtimes: ["node"] },
    { against: "engine", atLeast: 0.9, runtimes: ["deno"] },
    NEAR_THE_LIMIT,
    { against: "native", atLeast: 0.8, runtimes: ["bun"] },
    { against: "Socket.IO", atLeast: 1 },
  ]),
  fanOut(8, [
    NEAR_THE_LIMIT,
    { against: "native", atLeast: 0.8, runtimes: ["bun"] },
    { against: "Socket.IO", atLeast: 6 },
  ]),
  fanOut(64, [
    NEAR_THE_LIMIT,
    { against: "native", atLeast: 1, runtimes: ["bun"] },
    { against: "Socket.IO", atLeast: 30 },
  ]),
  {
    name: "paced",
    title: "500 broadcasts/s to 1,000 clients (500,000 deliveries/s)",
    kinds: ["meshsocket", "native", "Socket.IO"],
    metric: "p99Ms",
    unit: "ms p99",
    better: "less",
    targets: [{ metric: "p99Ms", atMost: 30 }],
    run: (contender, measureMs) => local(contender, measureMs, { rate: 500 }),
  },
  echo(100, ECHO),
  echo(1_000, ECHO),
  {
    ...echo(10_000, [
      { metric: "perCpuSecond", against: "limit", atLeast: 0.85, runtimes: scripted },
      { metric: "ofThousand", atLeast: 0.8 },
    ]),
    run: manyEchoes,
  },
  {
    name: "echo-pipelined",
    title: "Echo, 100 clients, 8 messages of each under way",
    kinds: LOCAL,
    metric: "perSecond",
    unit: "messages/s",
    better: "more",
    run: (contender, measureMs) => local(contender, measureMs, { shape: "echo", clients: 100, outstanding: 8 }),
  },
  {
    name: "tls",
    title: "Echo over TLS, 100 clients",
    kinds: ["meshsocket", "native", "engine"],
    // The loop over Deno's own server knows no TLS here.
    without: ({ kind, runtime }) => runtime === "deno" && kind === "native",
    metric: "perSecond",
    unit: "messages/s",
    better: "more",
    targets: [{ metric: "perCpuSecond", against: "native", atLeast: 0.9, runtimes: ["node", "bun"] }],
    run: (contender, measureMs) =>
      local(contender, measureMs, { shape: "echo", clients: 100, tls: true }, { tls: selfSigned() }),
  },
  {
    name: "compressed",
    title: "Compressed fan-out of 1 kB of JSON to 1,000 clients, W=8",
    kinds: ["meshsocket", "native", "engine"],
    // Neither Bun nor Deno can share a compressed message, and Deno cannot compress.
    without: ({ kind, runtime }) => runtime === "bun" || (runtime === "deno" && kind === "native"),
    metric: "perCpuSecond",
    unit: "deliveries for each second of the server's processor time",
    better: "more",
    targets: [
      { against: "native", atLeast: 8, runtimes: ["node"] },
      { against: "engine", atLeast: 8, runtimes: ["deno"] },
      { metric: "bytesPerDelivery", against: "native", atMost: 1.1, runtimes: ["node"] },
      { metric: "bytesPerDelivery", against: "engine", atMost: 1.1, runtimes: ["deno"] },
    ],
    run: (contender, measureMs) =>
      local(contender, measureMs, { deflate: true, payloadBytes: 1_024, outstanding: 8 }, { compress: true }),
  },
  {
    name: "topics",
    title: "1,000 clients on 100 topics, 8 messages outstanding on each",
    kinds: ["meshsocket", "Socket.IO", "crossws"],
    metric: "perSecond",
    unit: "deliveries/s",
    better: "more",
    run: (contender, measureMs) =>
      local(contender, measureMs, {
        shape: "topics",
        perTopic: 10,
        outstanding: 8,
      }),
  },
  {
    name: "slow",
    title: "Fan-out to 1,000 clients, W=8, while 10 of them never read: the others' latency",
    kinds: ["meshsocket", "Socket.IO"],
    metric: "p99Ms",
    unit: "ms p99",
    better: "less",
    run: (contender, measureMs) => local(contender, measureMs, { outstanding: 8, slow: 10 }),
  },
  {
    name: "memory",
    title: "Idle memory per client at 10,000",
    kinds: [...LOCAL, "v1"],
    metric: "rssBytes",
    unit: "bytes RSS",
    better: "less",
    targets: [
      { metric: "rssBytes", atMost: 6_000, runtimes: ["node"] },
      { metric: "settledBytes", atMost: 6_000, runtimes: ["node"] },
      { metric: "rssBytes", atMost: 8_000, runtimes: ["deno"] },
      { metric: "settledBytes", atMost: 8_000, runtimes: ["deno"] },
      { metric: "rssBytes", atMost: 3_200, runtimes: ["bun"] },
      // Of the process's memory a part is garbage of the opening, which differs from run to run.
      { of: "v1", metric: "heapBytes", against: "meshsocket", atMostMore: 1_024, runtimes: scripted },
    ],
    run: memory,
  },
  ...v1Scenarios,
];
