import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "../load/job.ts";
import { type BenchServer, load, startServer } from "./processes.ts";
import { type Cluster, job, type Measured } from "./runs.ts";
import type { Contender } from "./contenders.ts";
import type { Scenario } from "./scenario.ts";
import { TIMES, type Watcher, WATCHERS } from "./watchers.ts";

interface Load {
  readonly name: string;
  readonly title: string;
  readonly nodes: number;
  readonly job: Partial<Job>;
}

const LOADS: readonly Load[] = [
  { name: "fanout", title: "fan-out to 1,000 clients, W=8", nodes: 1, job: { outstanding: 8 } },
  { name: "echo", title: "echo, 1,000 clients", nodes: 1, job: { shape: "echo" } },
  {
    name: "emit",
    title: "cross-node emit, 1,000 outstanding",
    nodes: 2,
    job: { shape: "pairs", clients: 20, outstanding: 1_000 },
  },
];

/**
 * The cost of being watched: what a second of the servers' processor time delivers while somebody watches, as a multiple of what it
 * delivers otherwise. Both are measured in turn in the same processes, under a load that does not stop. Ten times as much is watched,
 * and a tenth of its cost is taken: what is looked for is smaller than the noise of most machines.
 */
export const watchScenarios: readonly Scenario[] = WATCHERS.flatMap((watcher) =>
  LOADS.map((shape): Scenario => ({
    name: `${watcher.name}-${shape.name}`,
    title: `${watcher.title}: ${shape.title}`,
    kinds: ["meshsocket"],
    metric: "watched",
    unit: "× unwatched, by processor time",
    better: "more",
    targets: [{ atLeast: 0.99 }],
    run: async (contender, measureMs, shared) => await measure(contender, measureMs, await shared(), watcher, shape),
  }))
);

async function measure(
  contender: Contender,
  measureMs: number,
  shared: Cluster,
  watcher: Watcher,
  { nodes, job: more }: Load,
): Promise<Measured> {
  const spread = nodes > 1;
  const servers: BenchServer[] = [];
  try {
    while (servers.length < nodes) servers.push(await startServer(contender, { ...shared, metrics: true }, { spread }));
    let watched = Number.NaN;
    let noise = Number.NaN;
    const during = async (deliveries: () => Promise<number>): Promise<void> => {
      ({ watched, noise } = await inTurn(servers, deliveries, watcher, measureMs / 2));
    };
    const { generatorBusy, perCpuSecond } = await load(job(contender, servers, 200, more), { spread, during });
    return { watched, noise, generatorBusy, perCpuSecond };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Whether somebody watches, block by block: in an order in which nothing that grows or falls steadily counts for either side. */
const TURNS = [false, true, true, false, false, true, true, false, false, true, true, false] as const;

async function inTurn(
  servers: readonly BenchServer[],
  deliveries: () => Promise<number>,
  watcher: Watcher,
  blockMs: number,
): Promise<{ watched: number; noise: number }> {
  const blocks: number[] = [];
  // The first look loads and compiles what looking needs, once for the life of a process.
  let stop: (() => Promise<void>) | undefined = await watcher.start(servers);
  await sleep(blockMs);
  for (const watched of TURNS) {
    if (watched) stop ??= await watcher.start(servers);
    else {
      await stop?.();
      stop = undefined;
    }
    await sleep(SETTLE_MS);
    blocks.push(await costOf(servers, deliveries, blockMs));
  }
  const [watched, unwatched] = [true, false].map((wanted) => blocks.filter((_, index) => TURNS[index] === wanted));
  const half = (odd: boolean): number[] => unwatched?.filter((_, index) => (index % 2 === 1) === odd) ?? [];
  return {
    watched: forOne(median(unwatched) / median(watched)),
    // The same comparison of unwatched blocks with others, which would be 1 without noise.
    noise: forOne(median(half(false)) / median(half(true))),
  };
}

/** The middle of some values, or the mean of the two in the middle: a block in which the machine was busy does not count. */
function median(values: readonly number[] = []): number {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(at)] ?? Number.NaN) + (sorted[Math.ceil(at)] ?? Number.NaN)) / 2;
}

/** The ratio of one look, from that of {@link TIMES}. */
function forOne(ratio: number): number {
  return 1 - (1 - ratio) / TIMES;
}

const SETTLE_MS = 50;

/** The processor time of a delivery, in milliseconds. */
async function costOf(
  servers: readonly BenchServer[],
  deliveries: () => Promise<number>,
  blockMs: number,
): Promise<number> {
  const cpuMs = async (): Promise<number> => {
    return (await Promise.all(servers.map((server) => server.cpuMs()))).reduce((sum, ms) => sum + ms, 0);
  };
  const [cpuFrom, from] = [await cpuMs(), await deliveries()];
  await sleep(blockMs);
  const [cpuTo, to] = [await cpuMs(), await deliveries()];
  return (cpuTo - cpuFrom) / (to - from);
}
