import type { Runtime } from "../kit/runtime.ts";
import type { Target } from "./target.ts";

/** Where an answer is another one than on the other runtimes. */
export interface Difference {
  readonly on: Runtime;
  readonly how: string;
}

/** An attack that is run against a served hub. */
export interface Attack {
  /** Its row in the list of threats. */
  readonly id: string;
  readonly title: string;
  /** How it is answered. */
  readonly answer: string;
  readonly differs?: Difference;
  run(target: Target): Promise<void>;
}

/** An attack whose answer a test elsewhere proves. */
export interface ProvedElsewhere {
  readonly id: string;
  readonly title: string;
  readonly answer: string;
  readonly file: string;
  /** A part of the test's name as it stands in the file. */
  readonly test: string;
}

/** A threat that does not apply, or that other software answers. */
export interface NotOurs {
  readonly id: string;
  readonly title: string;
  readonly why: string;
}
