import type { Contender, Kind } from "./contenders.ts";
import type { Cluster, Measured } from "./runs.ts";

/** One thing to measure on each of several servers. */
export interface Scenario {
  readonly name: string;
  /** The title in the table. */
  readonly title: string;
  readonly kinds: readonly Kind[];
  /** Servers of these kinds that cannot do it. */
  readonly without?: (contender: Contender) => boolean;
  /** The measurement of {@link Scenario.run} that ratios are made of. */
  readonly metric: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** The scenario is a point of a curve: what grows, and how far it has grown here. */
  readonly curve?: { readonly name: string; readonly title: string; readonly x: string };
  /** The marks that meshsocket must reach, each a multiple of another kind on its runtime, or a bound on a metric. */
  readonly targets?: readonly Target[];
  run(
    contender: Contender,
    measureMs: number,
    cluster: () => Promise<Cluster>,
  ): Promise<Measured>;
}

export interface Target {
  /** The kind that must reach it. Default: meshsocket. */
  readonly of?: Kind;
  readonly metric?: string;
  /** Against this kind on the same runtime, or on any when `anyRuntime` is set. */
  readonly against?: Kind;
  readonly anyRuntime?: boolean;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** How much more than the other, rather than a multiple of it. */
  readonly atMostMore?: number;
  readonly runtimes?: readonly string[];
}
