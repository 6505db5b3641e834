import { connectRedis } from "../../cli/redis-tcp.ts";
import { processesMs } from "../load/cpu.ts";
import type { Job } from "../load/job.ts";
import type { Contender, Kind } from "./contenders.ts";
import { load, startServer } from "./processes.ts";
import { type Cluster, job, type Measured, numbers } from "./runs.ts";
import type { Scenario } from "./scenario.ts";

/** Topics without history, with it, and the peer that writes each message to a stream. */
const KINDS: readonly Kind[] = ["meshsocket", "kept", "streams"];

async function published(
  contender: Contender,
  measureMs: number,
  shared: Cluster,
  more: Partial<Job>,
): Promise<Measured> {
  const server = await startServer(contender, { ...shared, tcp: true, history: contender.kind !== "meshsocket" });
  const redisMs = (): number => processesMs([shared.redisPid]);
  try {
    const [before, startedAt] = [redisMs(), performance.now()];
    const all = numbers(await load(job(contender, [server], measureMs, { shape: "topics", ...more })));
    return { ...all, redisBusy: (redisMs() - before) / (performance.now() - startedAt) };
  } finally {
    await server.stop();
  }
}

export const historyScenarios: readonly Scenario[] = [
  {
    name: "history-1000",
    title: "Publishes to one topic that keeps 200 messages, one listener, W=1,000",
    kinds: KINDS,
    metric: "perSecond",
    unit: "publishes/s",
    better: "more",
    targets: [{ of: "kept", atLeast: 60_000, metric: "perCpuSecond", runtimes: ["node"] }],
    run: async (contender, measureMs, shared) =>
      await published(contender, measureMs, await shared(), { clients: 1, perTopic: 1, outstanding: 1_000 }),
  },
  {
    name: "history-1",
    title: "Publish to one topic that keeps 200 messages, one listener, one at a time",
    kinds: KINDS,
    metric: "p50Ms",
    unit: "ms",
    better: "less",
    targets: [{ of: "kept", against: "meshsocket", atMostMore: 0.5, metric: "p50Ms" }],
    run: async (contender, measureMs, shared) =>
      await published(contender, measureMs, await shared(), { clients: 1, perTopic: 1, outstanding: 1 }),
  },
  {
    name: "recovery",
    title: "2,000 clients get the newest 200 messages of a topic, all at once",
    kinds: ["kept"],
    metric: "p99Ms",
    unit: "ms until the last is done",
    better: "less",
    targets: [{ of: "kept", metric: "p99Ms", atMost: 5_000 }, { of: "kept", metric: "lagP99Ms", atMost: 50 }],
    run: async (contender, measureMs, shared) => await recovered(contender, measureMs, await shared()),
  },
];

async function recovered(contender: Contender, measureMs: number, shared: Cluster): Promise<Measured> {
  const server = await startServer(contender, { ...shared, tcp: true, history: true });
  const redis = await connectRedis({ redisUrl: `redis://127.0.0.1:${shared.redisPort}` });
  const scripts = async (): Promise<number> => {
    const [info] = await redis.pipeline([["INFO", "commandstats"]]);
    const text = info instanceof Uint8Array ? new TextDecoder().decode(info) : String(info);
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0);
  };
  try {
    const measured = { reads: 0, lagP99Ms: 0 };
    const result = await load(
      job({ ...contender, dialect: "v1" }, [server], measureMs, { shape: "recover", clients: 2_000 }),
      {
        async opened() {
          await server.stats();
          measured.reads = -await scripts();
        },
        async during() {
          measured.reads += await scripts();
          ({ lagP99Ms: measured.lagP99Ms } = await server.stats());
        },
      },
    );
    return { ...numbers(result), ...measured };
  } finally {
    await redis.close();
    await server.stop();
  }
}
