import type { Kind } from "./contenders.ts";
import { cluster, local } from "./runs.ts";
import type { Scenario, Target } from "./scenario.ts";

const KINDS: readonly Kind[] = ["meshsocket", "scraped"];
/** By the server's processor time, which other work of the machine changes least. */
const COST = { metric: "perCpuSecond", unit: "messages per processor second", better: "more", kinds: KINDS } as const;
const TARGETS: readonly Target[] = [{ against: "meshsocket", atLeast: 0.99 }];

/** The cost of metrics that are scraped every second. */
export const metricsScenarios: readonly Scenario[] = [
  {
    name: "metrics-fanout",
    title: "Scraped every second: fan-out to 1,000 clients, W=8",
    ...COST,
    targets: TARGETS,
    run: (contender, measureMs) => local(contender, measureMs, { outstanding: 8 }),
  },
  {
    name: "metrics-echo",
    title: "Scraped every second: echo, 1,000 clients",
    ...COST,
    targets: TARGETS,
    run: (contender, measureMs) => local(contender, measureMs, { shape: "echo", clients: 1_000 }),
  },
  {
    name: "metrics-emit",
    title: "Scraped every second: cross-node emit, 1,000 outstanding",
    ...COST,
    targets: TARGETS,
    run: async (contender, measureMs, shared) =>
      await cluster(contender, [contender.runtime, contender.runtime], measureMs, await shared(), {
        shape: "pairs",
        clients: 20,
        outstanding: 1_000,
      }),
  },
];
