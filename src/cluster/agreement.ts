import { about } from "../base/log/about.ts";
import type { Logger } from "../base/log/logger.ts";

/** The options that all nodes of a cluster need alike. Says once for each node that it has others. */
export class Agreement {
  readonly leaseMs: number;
  /** The entries of `topics`, as JSON. */
  readonly topics: string;
  readonly #logger: Logger;
  /** Hosts whose other options were reported. */
  readonly #reported = new Set<string>();

  constructor({ leaseMs, kept, logger }: AgreementDependencies) {
    this.leaseMs = leaseMs;
    this.topics = kept.rules;
    this.#logger = logger;
  }

  /** Compares the options of another node with those of this one. 0 and "": it does not say. */
  compare(host: string, { leaseMs, topics }: Agreed): void {
    if (leaseMs !== 0 && leaseMs !== this.leaseMs && this.#isNew(`leaseMs ${host}`)) {
      const text = `${host} has leaseMs ${leaseMs} and this node ${this.leaseMs}: give all nodes the same`;
      this.#logger.warn(`meshsocket: ${text}`, about("leases_differ", { node: host }));
    }
    if (topics !== "" && topics !== this.topics && this.#isNew(`topics ${host}`)) {
      const [theirs, ours] = difference(entriesOf(topics), entriesOf(this.topics));
      const text = `${host} has the topics ${theirs} and this node ${ours}: give all nodes the same, in the same order`;
      this.#logger.warn(`meshsocket: ${text}`, about("topics_differ", { node: host }));
    }
  }

  #isNew(what: string): boolean {
    if (this.#reported.has(what)) return false;
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear();
    this.#reported.add(what);
    return true;
  }
}

/** The options of one node, as it says them. */
export interface Agreed {
  readonly leaseMs: number;
  readonly topics: string;
}

/** Dependencies of {@link Agreement}. */
export interface AgreementDependencies {
  readonly leaseMs: number;
  readonly kept: { readonly rules: string };
  readonly logger: Logger;
}

/** Each entry as JSON; none if it cannot be read. */
function entriesOf(topics: string): string[] {
  try {
    const entries: unknown = JSON.parse(topics);
    return Array.isArray(entries) ? entries.map((entry) => JSON.stringify(entry)) : [];
  } catch {
    return [];
  }
}

/** The first entries that differ. */
function difference(theirs: readonly string[], ours: readonly string[]): [theirs: string, ours: string] {
  const index = theirs.findIndex((entry, at) => entry !== ours[at]);
  const at = index < 0 ? theirs.length : index;
  return [clipped(theirs[at]), clipped(ours[at])];
}

function clipped(entry = "nothing"): string {
  return entry.length <= MAX_TEXT ? entry : `${entry.slice(0, MAX_TEXT)}…`;
}

/** Characters of an entry in a log line. */
const MAX_TEXT = 200;
/** Reports that are remembered; over it some may come again. */
const MAX_REPORTED = 1_024;
