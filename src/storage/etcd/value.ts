import type { EtcdKeys } from "./keys.ts";
import type { Answer, KeyValue } from "./wire.ts";
import type { Entry, Holder } from "../storage.ts";

/** The words of a value: `life host` of a connection, `life call` of a node. */
export function wordsOf({ value }: KeyValue): string[] {
  return value.split(" ");
}

/** A connection's holder and claim, whether that lives or not. */
export function entryOf(connection: KeyValue): Entry {
  const [life = "", host = ""] = wordsOf(connection);
  return { host, life, claim: connection.modRevision };
}

/** The living nodes, as a read of all nodes shows. */
export function livingOf(keys: EtcdKeys, nodes: Answer | undefined): Holder[] {
  return (nodes?.found ?? []).map((node) => ({ host: keys.hostOf(node.key), life: wordsOf(node)[0] ?? "" }));
}

/** Tells whether a holder lives, by the same read. */
export function livesBy(keys: EtcdKeys, nodes: Answer | undefined): (holder: Holder) => boolean {
  const lives = new Map(livingOf(keys, nodes).map(({ host, life }) => [host, life]));
  return ({ host, life }) => lives.get(host) === life;
}

/** The entries that reads of single connections found, as far as their holders live by the same read. */
export function livingEntries(
  keys: EtcdKeys,
  nodes: Answer | undefined,
  reads: readonly Answer[],
): (Entry | undefined)[] {
  const lives = livesBy(keys, nodes);
  return reads.map(({ found }) => {
    const entry = found[0] && entryOf(found[0]);
    return entry && lives(entry) ? entry : undefined;
  });
}
