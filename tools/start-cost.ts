/**
 * The cost of a start: processor time and memory of Node with the built package, next to Node alone, as medians of turns.
 *
 *   npm run build && node tools/start-cost.ts
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { root, run } from "./run.ts";

/** A start, and the most that it may take above Node alone. */
interface Start {
  readonly name: string;
  readonly code: string;
  readonly most?: Cost;
}

/** Processor time rather than time: a busy machine makes every start late. */
export interface Cost {
  readonly cpuMs: number;
  readonly megabytes: number;
}

const TURNS = 5;

const at = (path: string): string => JSON.stringify(join(root, "dist", path));
const HUB = `const { Hub } = await import(${at("src/index.js")}); new Hub();`;

const STARTS: readonly Start[] = [
  { name: "node alone", code: "" },
  { name: "meshsocket/client", code: `await import(${at("client/index.js")})`, most: { cpuMs: 60, megabytes: 8 } },
  { name: "meshsocket/node", code: `await import(${at("adapters/node.js")})`, most: { cpuMs: 100, megabytes: 12.5 } },
  // A cluster's code, with Connect and Protobuf, is loaded when a hub joins one.
  {
    name: "meshsocket and /node, new Hub()",
    code: `await import(${at("adapters/node.js")}); ${HUB}`,
    most: { cpuMs: 120, megabytes: 15 },
  },
];

async function once(code: string): Promise<Cost> {
  const print =
    "const { user, system } = process.cpuUsage(); console.log((user + system) / 1e3, process.memoryUsage().rss / 1e6);";
  const { output } = await run("node", ["--input-type=module", "--eval", `${code};${print}`]);
  const [cpuMs = NaN, megabytes = NaN] = output.trim().split(" ").map(Number);
  if (!(cpuMs > 0 && megabytes > 0)) throw new Error(`could not measure a start: ${output}`);
  return { cpuMs, megabytes };
}

function median(costs: readonly Cost[]): Cost {
  const middle = (of: (cost: Cost) => number): number => costs.map(of).sort((a, b) => a - b)[costs.length >> 1] ?? NaN;
  return { cpuMs: middle(({ cpuMs }) => cpuMs), megabytes: middle(({ megabytes }) => megabytes) };
}

/** The median cost of each start, above that of Node alone but for the first. The starts take turns, so that what else the machine does falls on all. */
export async function startCosts(): Promise<(Start & { readonly cost: Cost })[]> {
  const costs = STARTS.map((): Cost[] => []);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [index, { code }] of STARTS.entries()) costs[index]?.push(await once(code));
  }
  const medians = costs.map(median);
  const alone = medians[0] ?? { cpuMs: 0, megabytes: 0 };
  return STARTS.map((start, index) => {
    const { cpuMs, megabytes } = medians[index] ?? alone;
    const above = index === 0 ? alone : { cpuMs: cpuMs - alone.cpuMs, megabytes: megabytes - alone.megabytes };
    return { ...start, cost: above };
  });
}

/** The starts that cost more than they may; undefined if none does. */
export async function checkStartCosts(): Promise<string | undefined> {
  const over = (await startCosts()).filter(({ cost, most }) => {
    return most !== undefined && (cost.cpuMs > most.cpuMs || cost.megabytes > most.megabytes);
  });
  return over.length === 0 ? undefined : over.map(shown).join("\n");
}

function shown({ name, cost, most }: Start & { readonly cost: Cost }): string {
  const limit = most ? `, at most ${most.cpuMs} ms and ${most.megabytes} MB` : "";
  return `${name}: ${cost.cpuMs.toFixed(0)} ms of processor time, ${cost.megabytes.toFixed(1)} MB${limit}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const start of await startCosts()) console.log(shown(start));
}
