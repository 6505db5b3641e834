/**
 * What a cluster costs as it grows, computed from what one client, one link and one command cost: `node bench/scaling.ts` prints
 * the tables, `node bench/scaling.ts --write` puts them into docs/scaling.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "../tools/run.ts";

/** What was measured, on Node; where, stands in docs/scaling.md. */
const COST = {
  /** Bytes of an idle client on a node, its socket in the kernel included. */
  client: 10_400 + 4_700,
  /** Bytes of one link at the node that dialled it, and at the one that was dialled. */
  linkOut: 65 * 1_024,
  linkIn: 58 * 1_024,
  /** Bytes of a remembered route, and how many are remembered at most. */
  route: 200,
  maxRoutes: 100_000,
  /** Bytes that a connection takes in Redis. */
  claim: 220,
  /** Claims or releases that one storage makes in a second: 2 ms for 500. */
  claimsPerSecond: 250_000,
  /** Bytes that a renewal's answer has for each living node. */
  renewalEntry: 60,
  leaseSeconds: 15,
  /** Seconds of quiet after which a link asks for a sign of life; bytes of that and its answer, with their headers. */
  pingSeconds: 5,
  ping: 2 * 80,
  /** Seconds of a core, at each end, for a batch and its answer, and for each item in it. */
  batchSeconds: 97e-6,
  itemSeconds: 2.2e-6,
  /** Deliveries of a core in a second, with 8 messages of 64 bytes a tick. */
  deliveriesPerCore: 1_000_000,
  /** Bytes that an emit adds to a batch, besides its message. */
  itemOverhead: 30,
} as const;

/** The load of the example: what each client does. */
const LOAD = {
  /** How long a client stays, in seconds. */
  session: 3_600,
  /** Messages to one other client, per second and client. */
  emits: 0.1,
  /** Broadcasts to everyone, per second, in the whole cluster. */
  broadcasts: 1,
  messageBytes: 64,
} as const;

interface Size {
  readonly nodes: number;
  readonly clients: number;
}

const SIZES: readonly Size[] = [
  { nodes: 10, clients: 100_000 },
  { nodes: 100, clients: 1_000_000 },
  { nodes: 1_000, clients: 10_000_000 },
];

type Row = readonly [name: string, value: (size: Size) => string];

const perNode: readonly Row[] = [
  ["clients", ({ nodes, clients }) => count(clients / nodes)],
  ["memory for clients", ({ nodes, clients }) => bytes((clients / nodes) * COST.client)],
  ["links: dialled, and as many accepted", ({ nodes }) => count(nodes - 1)],
  ["memory for links", ({ nodes }) => bytes((nodes - 1) * (COST.linkOut + COST.linkIn))],
  ["memory for routes, at most", () => bytes(COST.maxRoutes * COST.route)],
  ["signs of life between idle nodes, per second", ({ nodes }) => count((2 * (nodes - 1)) / COST.pingSeconds)],
  ["emits sent to other nodes, per second", (size) => count(remoteEmits(size) / size.nodes)],
  [
    "bytes out for them, per second",
    (size) => bytes((remoteEmits(size) / size.nodes) * (LOAD.messageBytes + COST.itemOverhead)),
  ],
  ["emits for one node that leave in one batch, on average", (size) => perBatch(size).toPrecision(2)],
  [
    "their share of a core, sending and receiving",
    (size) => share((remoteEmits(size) / size.nodes) * 2 * (COST.batchSeconds / perBatch(size) + COST.itemSeconds)),
  ],
  ["deliveries of broadcasts, per second", ({ nodes, clients }) => count((clients / nodes) * LOAD.broadcasts)],
  [
    "their share of a core",
    ({ nodes, clients }) => share(((clients / nodes) * LOAD.broadcasts) / COST.deliveriesPerCore),
  ],
];

const wholeCluster: readonly Row[] = [
  ["connections between nodes", ({ nodes }) => count(nodes * (nodes - 1))],
  ["RPC items for one broadcast, at the node that sends it", ({ nodes }) => count(nodes - 1)],
  ["broadcasts per second that take a core of their sender, one at a time", (size) => count(broadcasts(size, 1))],
  ["the same, 64 in each tick", (size) => count(broadcasts(size, 64))],
  ["storage commands for messages", () => "0"],
  ["claims and releases, per second", ({ clients }) => count((2 * clients) / LOAD.session)],
  ["renewals, per second", ({ nodes }) => count((3 * nodes) / COST.leaseSeconds)],
  [
    "bytes of their answers, per second",
    ({ nodes }) => bytes(((3 * nodes) / COST.leaseSeconds) * nodes * COST.renewalEntry),
  ],
  ["storage time for claims, of one core", ({ clients }) => share((2 * clients) / LOAD.session / COST.claimsPerSecond)],
  ["memory of the storage", ({ clients }) => bytes(clients * COST.claim)],
  [
    "seconds in which all clients can connect again, by the storage",
    ({ clients }) => count(clients / COST.claimsPerSecond),
  ],
];

/** Of all emits those whose target is on another node. */
function remoteEmits({ nodes, clients }: Size): number {
  return clients * LOAD.emits * (1 - 1 / nodes);
}

/** How many emits find others on their way to the same node; a busy line sends about a batch per millisecond. */
function perBatch(size: Size): number {
  return Math.max(1, remoteEmits(size) / size.nodes / (size.nodes - 1) / 1_000);
}

/** Broadcasts per second that one core can hand to all other nodes. */
function broadcasts({ nodes }: Size, perTick: number): number {
  return perTick / ((nodes - 1) * (COST.batchSeconds + perTick * COST.itemSeconds));
}

function count(value: number): string {
  return value < 10 ? String(Number(value.toPrecision(2))) : Math.round(value).toLocaleString("en");
}

function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return `${Number((value / 1_000 ** step).toPrecision(3))} ${units[step]}`;
}

function share(value: number): string {
  return `${Number((value * 100).toPrecision(2))} %`;
}

function table(rows: readonly Row[]): string {
  const head = SIZES.map(({ nodes, clients }) => `${count(nodes)} nodes, ${count(clients)} clients`);
  const lines = rows.map(([name, value]) => `| ${name} | ${SIZES.map(value).join(" | ")} |`);
  return [`| | ${head.join(" | ")} |`, `| --- | ${SIZES.map(() => "---").join(" | ")} |`, ...lines].join("\n");
}

const MARK = "<!-- computed -->";
const text = `\n\n### Each node\n\n${table(perNode)}\n\n### All together\n\n${table(wholeCluster)}\n\n`;

if (process.argv.includes("--write")) {
  const path = join(root, "docs", "scaling.md");
  const [before, , after] = readFileSync(path, "utf8").split(MARK);
  writeFileSync(path, `${before ?? ""}${MARK}${text}${MARK}${after ?? "\n"}`);
} else console.log(text);
