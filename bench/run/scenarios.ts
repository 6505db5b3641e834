import { clusterScenarios } from "./cluster-scenarios.ts";
import { curves } from "./curves.ts";
import { localScenarios } from "./local-scenarios.ts";
import { metricsScenarios } from "./metrics-scenarios.ts";
import type { Scenario } from "./scenario.ts";

/** Everything that can be measured, in the order of the tables. */
export const scenarios: readonly Scenario[] = [...localScenarios, ...clusterScenarios, ...metricsScenarios, ...curves];
