import type { Job, JobResult } from "../load/job.ts";
import type { ServerSetup } from "../servers/control.ts";
import type { Contender, Kind } from "./contenders.ts";
import { type BenchServer, load, startServer } from "./processes.ts";

/** What one run of a scenario gave, by the names of what was measured. */
export type Measured = Readonly<Record<string, number>>;

/** What a cluster's servers share. */
export type Cluster = Required<ServerSetup>;

/** One thing to measure on each of several servers. */
export interface Scenario {
  readonly name: string;
  /** What a reader of the table sees. */
  readonly title: string;
  readonly kinds: readonly Kind[];
  /** Of what {@link Scenario.run} measures, what the ratios are of. */
  readonly metric: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** What meshsocket must reach, as a multiple of another kind on its runtime, or as a bound on a metric. */
  readonly targets?: readonly Target[];
  run(
    contender: Contender,
    measureMs: number,
    cluster: () => Promise<Cluster>,
  ): Promise<Measured>;
}

export interface Target {
  readonly metric?: string;
  /** Against this kind on the same runtime, or on any when `anyRuntime` is set. */
  readonly against?: Kind;
  readonly anyRuntime?: boolean;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly runtimes?: readonly string[];
}

const LOCAL: readonly Kind[] = [
  "meshsocket",
  "limit",
  "native",
  "Socket.IO",
  "crossws",
];
const CLUSTER: readonly Kind[] = ["meshsocket", "Socket.IO"];
const WARMUP_MS = 700;

function job(
  contender: Contender,
  servers: BenchServer[],
  measureMs: number,
  more: Partial<Job>,
): Job {
  const { dialect } = contender;
  const ports = servers.map(({ port }) => port);
  const pids = servers.map(({ pid }) => pid);
  const base = {
    shape: "broadcast",
    clients: 1_000,
    outstanding: 1,
    payloadBytes: 64,
  } as const;
  return { ...base, ports, pids, dialect, warmupMs: WARMUP_MS, measureMs, ...more };
}

async function local(
  contender: Contender,
  measureMs: number,
  more: Partial<Job>,
): Promise<Measured> {
  const server = await startServer(contender);
  try {
    return numbers(await load(job(contender, [server], measureMs, more)));
  } finally {
    await server.stop();
  }
}

async function twoNodes(
  contender: Contender,
  measureMs: number,
  cluster: () => Promise<Cluster>,
  more: Partial<Job>,
): Promise<Measured> {
  const shared = await cluster();
  const servers = [
    await startServer(contender, shared, true),
    await startServer(contender, shared, true),
  ];
  try {
    return numbers(
      await load(job(contender, servers, measureMs, more), { spread: true }),
    );
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function numbers(result: JobResult): Measured {
  return { ...result };
}

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

function emit(outstanding: number, target: Target): Scenario {
  const pairs = Math.min(10, outstanding);
  const alone = outstanding === 1;
  return {
    name: `emit-${outstanding}`,
    title: `Cross-node emit, client to client, ${
      alone ? "one at a time" : `${outstanding.toLocaleString("en")} outstanding`
    }`,
    kinds: CLUSTER,
    metric: alone ? "p50Ms" : "perSecond",
    unit: alone ? "ms" : "messages/s",
    better: alone ? "less" : "more",
    targets: [target],
    run: (contender, measureMs, cluster) =>
      twoNodes(contender, measureMs, cluster, {
        shape: "pairs",
        clients: 2 * pairs,
        outstanding,
      }),
  };
}

const onAny = { against: "Socket.IO", anyRuntime: true } as const;
const scripted = ["node", "deno"];

export const scenarios: readonly Scenario[] = [
  fanOut(1, [
    { against: "native", atLeast: 0.9, runtimes: scripted },
    { against: "native", atLeast: 0.8, runtimes: ["bun"] },
    { against: "Socket.IO", atLeast: 1 },
  ]),
  fanOut(8, [
    { against: "limit", atLeast: 0.8, runtimes: scripted },
    { against: "native", atLeast: 0.8, runtimes: ["bun"] },
    { against: "Socket.IO", atLeast: 6 },
  ]),
  fanOut(64, [
    { against: "limit", atLeast: 0.8, runtimes: scripted },
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
  echo(100, [{ against: "native", atLeast: 0.9 }]),
  echo(1_000, [{ against: "native", atLeast: 0.9 }, {
    against: "Socket.IO",
    atLeast: 1.5,
  }]),
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
    title: "Fan-out to 1,000 clients, W=8, while 20 of them never read",
    kinds: ["meshsocket", "Socket.IO"],
    metric: "perSecond",
    unit: "deliveries/s",
    better: "more",
    run: (contender, measureMs) => local(contender, measureMs, { outstanding: 8, slow: 20 }),
  },
  emit(1, { ...onAny, atMost: 1 }),
  emit(64, { ...onAny, atLeast: 2.5 }),
  emit(1_000, { ...onAny, atLeast: 4 }),
  {
    name: "cluster-broadcast",
    title: "Broadcast over two nodes, 500 + 500 clients, W=8",
    kinds: CLUSTER,
    metric: "perSecond",
    unit: "deliveries/s",
    better: "more",
    targets: [{ ...onAny, atLeast: 5 }],
    run: (contender, measureMs, cluster) => twoNodes(contender, measureMs, cluster, { outstanding: 8 }),
  },
  {
    name: "connect",
    title: "10,000 connects, each with a claim in Redis",
    kinds: CLUSTER,
    metric: "perSecond",
    unit: "connects/s",
    better: "more",
    targets: [{ metric: "perSecond", atLeast: 2_000 }, {
      metric: "lagP99Ms",
      atMost: 50,
    }],
    async run(contender, _measureMs, cluster) {
      const server = await startServer(contender, await cluster());
      try {
        await server.stats();
        let lagP99Ms = 0;
        const during = async (): Promise<void> => void ({ lagP99Ms } = await server.stats());
        const { perSecond } = await load(
          job(contender, [server], 0, {
            shape: "connect",
            clients: 10_000,
          }),
          {
            during,
          },
        );
        return { perSecond, lagP99Ms };
      } finally {
        await server.stop();
      }
    },
  },
  {
    name: "memory",
    title: "Idle memory per client at 10,000",
    kinds: LOCAL,
    metric: "rssBytes",
    unit: "bytes RSS",
    better: "less",
    async run(contender) {
      const server = await startServer(contender);
      try {
        const before = await server.stats();
        let after = before;
        const clients = 10_000;
        const during = async (): Promise<void> => {
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          after = await server.stats();
        };
        await load(
          job(contender, [server], 0, { shape: "connect", clients }),
          { during },
        );
        return {
          rssBytes: (after.rssBytes - before.rssBytes) / clients,
          heapBytes: (after.heapBytes - before.heapBytes) / clients,
        };
      } finally {
        await server.stop();
      }
    },
  },
];
