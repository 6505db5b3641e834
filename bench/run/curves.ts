import type { RuntimeName } from "./contenders.ts";
import type { Job } from "../load/job.ts";
import { cluster, local } from "./runs.ts";
import type { Scenario } from "./scenario.ts";

type Point = Pick<Scenario, "run"> & { readonly x: string };

function curve(name: string, title: string, unit: string, points: readonly Point[]): Scenario[] {
  return points.map(({ x, run }) => ({
    name: `${name}-${x.replaceAll(/\W/g, "")}`,
    title: `${title}: ${x}`,
    kinds: ["meshsocket"],
    metric: "perSecond",
    unit,
    better: "more",
    curve: { name, title, x },
    run,
  }));
}

function onOne(x: string, more: Partial<Job>): Point {
  return { x, run: (contender, measureMs) => local(contender, measureMs, more) };
}

function onNodes(count: number): Point {
  return {
    x: String(count),
    async run(contender, measureMs, shared) {
      const runtimes: RuntimeName[] = Array.from({ length: count }, () => contender.runtime);
      return await cluster(contender, runtimes, measureMs, await shared(), { outstanding: 8 });
    },
  };
}

/** The curve of a measurement as the work grows. */
export const curves: readonly Scenario[] = [
  ...curve(
    "curve-clients",
    "Echo, by clients on one node",
    "messages/s",
    [1_000, 2_000, 5_000, 10_000, 19_000].map((clients) =>
      onOne(clients.toLocaleString("en"), { shape: "echo", clients })
    ),
  ),
  ...curve("curve-nodes", "Broadcast to 1,000 clients, W=8, by nodes on this machine", "deliveries/s", [
    onNodes(1),
    onNodes(2),
    onNodes(3),
    onNodes(5),
  ]),
  ...curve(
    "curve-topics",
    "1,000 clients on topics, 8 messages outstanding on each, by topics",
    "deliveries/s",
    [1, 10, 100, 500].map((topics) =>
      onOne(topics.toLocaleString("en"), { shape: "topics", perTopic: 1_000 / topics, outstanding: 8 })
    ),
  ),
  ...curve(
    "curve-size",
    "Fan-out to 1,000 clients, W=8, by bytes of a message",
    "deliveries/s",
    [64, 1_024, 16_384, 60_000].map((payloadBytes) =>
      onOne(payloadBytes.toLocaleString("en"), { outstanding: 8, payloadBytes })
    ),
  ),
];
