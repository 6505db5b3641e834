import { clusterScenarios } from "./cluster-scenarios.ts";
import { curves } from "./curves.ts";
import { historyScenarios } from "./history-scenarios.ts";
import { localScenarios } from "./local-scenarios.ts";
import type { Scenario } from "./scenario.ts";
import { startScenario } from "./start-scenario.ts";
import { watchScenarios } from "./watch-scenarios.ts";

/** Everything that can be measured, in the order of the tables. */
export const scenarios: readonly Scenario[] = [
  ...localScenarios,
  ...clusterScenarios,
  ...historyScenarios,
  ...watchScenarios,
  startScenario,
  ...curves,
];
