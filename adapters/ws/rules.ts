import type { Limits } from "../../src/base/limits.ts";
import { type Rate, rate } from "../../src/base/rate.ts";
import type { AdmittingHub } from "../shared/upgrade-slot.ts";
import { Concat, PLAIN } from "./concat.ts";
import { Deflater } from "./deflate.ts";

/** The settings that all connections of a hub share that agreed to the same parameters. */
export interface Rules {
  readonly limits: Readonly<Limits>;
  readonly fragments: Rate;
  /** The bytes by which compressed messages grow. */
  readonly inflated: Rate;
  /** Whether both sides may compress. */
  readonly compressed: boolean;
  /** The frames of a burst as bytes. */
  readonly wire: Concat;
}

/** The rules for connections of a hub; with the size of a window for those that agreed to permessage-deflate. */
export function rulesOf(hub: AdmittingHub, windowBits = 0): Rules {
  let rules: Map<number, Rules> | undefined = rulesOfHub.get(hub);
  if (!rules) rulesOfHub.set(hub, rules = new Map<number, Rules>());
  let own = rules.get(windowBits);
  if (!own) rules.set(windowBits, own = makeRules(hub, windowBits));
  return own;
}

/** By the bits of the window; 0 for none. */
const rulesOfHub = new WeakMap<AdmittingHub, Map<number, Rules>>();

function makeRules({ limits, compression }: AdmittingHub, windowBits: number): Rules {
  const compressed = windowBits > 0 && compression !== undefined;
  const inflatedBurst = Math.max(limits.inflatedBytesBurst, limits.maxMessageBytes);
  return {
    limits,
    fragments: rate(limits.fragmentsPerSecond, limits.fragmentBurst),
    inflated: rate(limits.inflatedBytesPerSecond, inflatedBurst),
    compressed,
    wire: compressed ? new Concat(new Deflater(compression.others, windowBits)) : PLAIN,
  };
}
