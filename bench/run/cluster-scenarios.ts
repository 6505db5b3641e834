import type { Contender, Kind, RuntimeName } from "./contenders.ts";
import { load, startServer } from "./processes.ts";
import { cluster, job } from "./runs.ts";
import type { Scenario, Target } from "./scenario.ts";

const CLUSTER: readonly Kind[] = ["meshsocket", "Socket.IO"];
const onAny = { against: "Socket.IO", anyRuntime: true } as const;

/** The partner of each runtime in the clusters of mixed runtimes. */
const OTHER: Readonly<Record<RuntimeName, RuntimeName>> = { node: "bun", bun: "deno", deno: "node" };

function same(count: number): (contender: Contender) => RuntimeName[] {
  return ({ runtime }) => Array.from({ length: count }, () => runtime);
}

function mixed({ runtime }: Contender): RuntimeName[] {
  return [runtime, OTHER[runtime]];
}

/** Client to client over nodes; `outstanding` messages under way, over ten pairs of clients. */
function emit(
  name: string,
  title: string,
  outstanding: number,
  runtimes: (contender: Contender) => RuntimeName[],
  more: Pick<Scenario, "kinds"> & { targets?: readonly Target[] },
): Scenario {
  const pairs = Math.min(10, outstanding);
  const alone = outstanding === 1;
  return {
    name,
    title,
    metric: alone ? "p50Ms" : "perSecond",
    unit: alone ? "ms" : "messages/s",
    better: alone ? "less" : "more",
    ...more,
    run: async (contender, measureMs, shared) =>
      await cluster(contender, runtimes(contender), measureMs, await shared(), {
        shape: "pairs",
        clients: 2 * pairs,
        outstanding,
      }),
  };
}

function broadcast(
  name: string,
  title: string,
  runtimes: (contender: Contender) => RuntimeName[],
  more: Pick<Scenario, "kinds"> & { targets?: readonly Target[] },
): Scenario {
  return {
    name,
    title,
    metric: "perSecond",
    unit: "deliveries/s",
    better: "more",
    ...more,
    run: async (contender, measureMs, shared) =>
      await cluster(contender, runtimes(contender), measureMs, await shared(), { outstanding: 8 }),
  };
}

const MIXED = "between a node on this runtime and one on the next (Node, Bun, Deno, Node)";
const ours: readonly Kind[] = ["meshsocket"];

export const clusterScenarios: readonly Scenario[] = [
  emit("emit-1", "Cross-node emit, client to client, one at a time", 1, same(2), {
    kinds: [...CLUSTER, "legs"],
    targets: [{ ...onAny, atMost: 1 }, { metric: "p50Ms", atMost: 0.15, runtimes: ["node"] }, {
      metric: "p50Ms",
      atMost: 0.1,
      runtimes: ["bun"],
    }],
  }),
  emit("emit-64", "Cross-node emit, client to client, 64 outstanding", 64, same(2), {
    kinds: CLUSTER,
    targets: [{ ...onAny, atLeast: 2.5 }],
  }),
  emit("emit-1000", "Cross-node emit, client to client, 1,000 outstanding", 1_000, same(2), {
    kinds: CLUSTER,
    targets: [{ ...onAny, atLeast: 4 }],
  }),
  broadcast("cluster-broadcast", "Broadcast over two nodes, 500 + 500 clients, W=8", same(2), {
    kinds: CLUSTER,
    targets: [{ ...onAny, atLeast: 5 }],
  }),
  emit("mixed-emit-1", `Emit, one at a time, ${MIXED}`, 1, mixed, { kinds: ours }),
  emit("mixed-emit-64", `Emit, 64 outstanding, ${MIXED}`, 64, mixed, { kinds: ours }),
  emit("mixed-emit-1000", `Emit, 1,000 outstanding, ${MIXED}`, 1_000, mixed, { kinds: ours }),
  broadcast("mixed-broadcast", `Broadcast, 500 + 500 clients, W=8, ${MIXED}`, mixed, { kinds: ours }),
  emit("three-emit-1000", "Emit over three nodes, 1,000 outstanding", 1_000, same(3), { kinds: CLUSTER }),
  broadcast("three-broadcast", "Broadcast over three nodes, 1,000 clients, W=8", same(3), { kinds: CLUSTER }),
  {
    name: "traffic",
    title: "Two nodes: a third of 600 clients each echo, emit to the other node, and publish to ten",
    kinds: CLUSTER,
    metric: "perSecond",
    unit: "deliveries/s",
    better: "more",
    run: async (contender, measureMs, shared) =>
      await cluster(contender, same(2)(contender), measureMs, await shared(), {
        shape: "traffic",
        clients: 600,
        perTopic: 10,
        outstanding: 2,
      }),
  },
  {
    name: "connect",
    title: "10,000 connects, each with a claim in Redis",
    kinds: CLUSTER,
    metric: "perSecond",
    unit: "connects/s",
    better: "more",
    targets: [
      { metric: "perCpuSecond", atLeast: 6_000, runtimes: ["node", "deno"] },
      // As it was before.
      { metric: "perCpuSecond", atLeast: 9_000, runtimes: ["bun"] },
      { metric: "lagP99Ms", atMost: 50 },
    ],
    async run(contender, _measureMs, shared) {
      // As most have it: over HTTP the claims of a tick cost a fetch.
      const server = await startServer(contender, { ...(await shared()), tcp: true });
      try {
        await server.stats();
        let lagP99Ms = 0;
        const during = async (): Promise<void> => void ({ lagP99Ms } = await server.stats());
        const { perSecond, perCpuSecond } = await load(
          job(contender, [server], 0, { shape: "connect", clients: 10_000, warmupClients: 5_000 }),
          {
            during,
          },
        );
        return { perSecond, perCpuSecond, lagP99Ms };
      } finally {
        await server.stop();
      }
    },
  },
];
