import { run } from "../../tools/run.ts";
import { bundleOf, LOADED_LATER } from "../../tools/size-table.ts";
import { startCosts } from "../../tools/start-cost.ts";
import type { Measured } from "./runs.ts";
import type { Scenario } from "./scenario.ts";

/** The start with a Hub, of those that are measured. */
const START = "meshsocket and /node, new Hub()";

let built: Promise<void> | undefined;

/** Starts are measured with the package as it is published. */
async function build(): Promise<void> {
  const { code, output } = await run("npm", ["run", "build"]);
  if (code !== 0) throw new Error(`could not build the package: ${output}`);
}

async function measure(): Promise<Measured> {
  await (built ??= build());
  const { cost } = (await startCosts()).find(({ name }) => name === START) ?? {};
  if (!cost) {
    throw new Error(
      `could not measure ${JSON.stringify(START)}: tools/start-cost.ts does not measure a start of that name`,
    );
  }
  const hub = await bundleOf("Hub", "src/hub/hub.ts", LOADED_LATER.hub);
  const client = await bundleOf("DistClient", "src/index.ts", LOADED_LATER.client);
  return { ...cost, hubBytes: hub.gzipped, clientBytes: client.gzipped };
}

/** The cost of loading the package and making a hub, above Node alone, and the bytes of bundles, compressed. */
export const startScenario: Scenario = {
  name: "start",
  title: "Import of meshsocket and meshsocket/node, and new Hub(), above Node alone",
  kinds: ["meshsocket"],
  without: ({ runtime }) => runtime !== "node",
  metric: "cpuMs",
  unit: "ms of processor time",
  better: "less",
  targets: [
    { atMost: 120 },
    { metric: "megabytes", atMost: 15 },
    { metric: "hubBytes", atMost: 15_000 },
    { metric: "clientBytes", atMost: 12_000 },
  ],
  run: measure,
};
