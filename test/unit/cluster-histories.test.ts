import { test } from "node:test";
import fc from "fast-check";
import { MemoryCluster, type MemoryNode, threeNodes } from "../kit/memory-cluster.ts";
import type { MemoryClient } from "../kit/memory-client.ts";
import { until } from "../kit/until.ts";

const IDS = ["alice", "bob"];

type Step =
  & { readonly node: number; readonly id: string }
  & { readonly does: "connect" | "disconnect" | "cut off" | "let back" };

const step: fc.Arbitrary<Step> = fc.record({
  node: fc.nat({ max: 2 }),
  id: fc.constantFrom(...IDS),
  does: fc.constantFrom(
    "connect" as const,
    "connect" as const,
    "disconnect" as const,
    "cut off" as const,
    "let back" as const,
  ),
});

/** Who took the id over from a node that was cut off leaves before that node knows. */
const LEFT_BEHIND: Step[] = [
  { node: 0, id: "alice", does: "connect" },
  { node: 0, id: "alice", does: "cut off" },
  { node: 1, id: "alice", does: "connect" },
  { node: 1, id: "alice", does: "disconnect" },
];

interface Held {
  readonly client: MemoryClient;
  readonly node: MemoryNode;
}

/** Does the steps, and says who must hold what: who connected last and has not left. */
async function run(
  cluster: MemoryCluster,
  nodes: readonly MemoryNode[],
  steps: readonly Step[],
): Promise<Map<string, Held>> {
  const held = new Map<string, Held>();
  for (const { node: index, id, does } of steps) {
    const node = nodes[index];
    if (!node) continue;
    if (does === "connect") {
      const client = await node.connect(id).catch(() => undefined);
      if (client) held.set(id, { client, node });
    } else if (does === "disconnect") {
      held.get(id)?.client.socket.close(1000);
      await held.get(id)?.client.closed();
      held.delete(id);
    } else if (does === "cut off") {
      // Neither the storage nor another node: what it has to say comes late.
      cluster.silenced.add(node.host);
      cluster.down.add(node.host);
      cluster.cut(node.host);
    } else letBack(cluster, node);
  }
  for (const node of nodes) letBack(cluster, node);
  return held;
}

function letBack(cluster: MemoryCluster, { host }: MemoryNode): void {
  cluster.silenced.delete(host);
  cluster.down.delete(host);
}

test("in any history of connects, disconnects and nodes cut off, the last who connected and did not leave is the one holder", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await using cluster = new MemoryCluster();
      const nodes = await threeNodes(cluster, { leaseMs: 300, limits: { timeoutMs: 60, linkSilenceMs: 60 } });
      const held = await run(cluster, nodes, steps);
      for (const id of IDS) {
        const holder = held.get(id)?.node.host;
        await until(`${id} to be held by ${holder ?? "nobody"} alone`, async () => {
          const holders = nodes.filter(({ hub }) => hub.client(id)?.open).map(({ host }) => host);
          const [entry] = await cluster.storage.get([id]);
          return holders.join() === (holder ?? "") && entry?.host === holder;
        });
        for (const { hub, host } of nodes) {
          await until(
            `${host} to reach ${id}`,
            () => hub.emit(id, host).then((sent) => sent === (holder !== undefined), () => false),
          );
        }
      }
    }),
    { numRuns: 25, examples: [[LEFT_BEHIND]] },
  );
});
