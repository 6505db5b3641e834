import type { Node } from "../src/gen/meshsocket/v1/cluster_pb.ts";
import type { NodeState } from "../src/gen/meshsocket/v1/watch_pb.ts";
import { ago, bytes, type Output, short, shown, table } from "./output.ts";

/** The rates of a node, per second. */
export interface Rates {
  readonly connects: number;
  readonly received: number;
  readonly sent: number;
  readonly sentBytes: number;
}

/** The rates between two states of one life of a node; undefined without an earlier one. */
export function ratesOf(before: NodeState | undefined, now: NodeState): Rates | undefined {
  const seconds = before && before.life === now.life ? Number(now.timeMs - before.timeMs) / 1_000 : 0;
  if (!before || seconds <= 0) return undefined;
  const rate = (name: string): number => Math.max(0, ((now.totals[name] ?? 0) - (before.totals[name] ?? 0)) / seconds);
  return {
    connects: rate("connects"),
    received: rate("received"),
    sent: rate("sent"),
    sentBytes: rate("sent_bytes"),
  };
}

/** The nodes, one on a line, with their rates if they are known. */
export function nodeTable(nodes: readonly Node[], output: Output, rates?: ReadonlyMap<string, Rates>): string {
  const rows = nodes.map((node) => rowOf(node, output, rates?.get(node.host)));
  return table([
    "NODE",
    "STATUS",
    " CLIENTS",
    " AWAY",
    " TOPICS",
    " IN/S",
    " OUT/S",
    " OUT",
    " LOOP",
    " MEMORY",
    " LEASE",
    " LINKS",
    "VERSION",
  ], rows);
}

function rowOf({ host, state, unheard }: Node, output: Output, rates: Rates | undefined): string[] {
  if (!state) return [shown(host), output.bad(`does not answer: ${unheard}`)];
  const status = state.status === "ready" ? output.good("ready") : output.bad(state.status);
  const open = state.links.filter((link) => link.open).length;
  return [
    shown(host),
    `${status} ${output.faint(ago(state.sinceMs))}`,
    short(Number(state.clients)),
    short(Number(state.away)),
    short(Number(state.topics)),
    rates ? short(rates.received) : "-",
    rates ? short(rates.sent) : "-",
    rates ? `${bytes(rates.sentBytes)}/s` : "-",
    `${state.loopDelayMs.toFixed(1)} ms`,
    bytes(Number(state.memoryBytes)),
    `${(state.leaseLeftMs / 1_000).toFixed(1)} s`,
    `${open}/${state.links.length}`,
    state.version,
  ];
}

/** Lines about nodes that are not ready. */
export function troubles(nodes: readonly Node[]): string[] {
  return nodes.flatMap(({ host, state }) => (state && state.reason !== "" ? [`${shown(host)}: ${state.reason}`] : []));
}
