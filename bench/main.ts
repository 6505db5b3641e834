/**
 * Measures meshsocket, the engines of its runtimes by themselves, and its peers, side by side in one run.
 *
 *   npm run bench                           everything, three times
 *   npm run bench -- --quick                the main lines, in under three minutes
 *   npm run bench -- --scenario emit --runtime node --kind meshsocket --runs 5
 *   npm run bench -- --write                also writes the tables and the plot of bench/README.md
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { root } from "../tools/run.ts";
import { startRedis, type TestRedis } from "../test/kit/redis.ts";
import { type Contender, contenders, nameOf } from "./run/contenders.ts";
import { pinned } from "./run/processes.ts";
import { type Results, type Series, short, summarize, verdicts } from "./run/results.ts";
import type { Cluster } from "./run/runs.ts";
import type { Scenario } from "./run/scenario.ts";
import { scenarios } from "./run/scenarios.ts";
import { toMarkdown } from "./run/table.ts";

const folder = join(root, "bench");
const QUICK = ["fanout-8", "fanout-64", "echo-1000", "emit-1", "emit-1000"];
const MARK = "<!-- results -->";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    scenario: { type: "string", multiple: true },
    runtime: { type: "string", multiple: true },
    kind: { type: "string", multiple: true },
    runs: { type: "string" },
    ms: { type: "string" },
  },
});

function chosen(): {
  scenarios: Scenario[];
  accepts: (scenario: Scenario, contender: Contender) => boolean;
} {
  const names = options.scenario ?? (options.quick ? QUICK : undefined);
  return {
    scenarios: scenarios.filter(({ name }) =>
      !names ||
      names.some((part) => name === part || name.startsWith(`${part}-`))
    ),
    accepts: ({ kinds, without }, contender) => {
      const { kind, runtime } = contender;
      return kinds.includes(kind) && without?.(contender) !== true &&
        (!options.runtime || options.runtime.includes(runtime)) &&
        (!options.kind || options.kind.includes(kind)) &&
        !(options.quick && kind === "crossws");
    },
  };
}

/** The peers and the plotting library come from a package of their own, so that an ordinary install stays small. */
function installPeers(): void {
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { dependencies: object };
  if (Object.keys(dependencies).every((name) => existsSync(join(folder, "node_modules", name)))) return;
  console.log("installing the peers into bench/node_modules");
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("npm install in bench/ failed");
}

let redis: Promise<TestRedis> | undefined;

/** A Redis server with the HTTP endpoint in front, started when first needed and empty at each use. */
async function cluster(): Promise<Cluster> {
  redis ??= startRedis();
  const started = await redis;
  await started.flush();
  const { url, token, port, process: { pid = 0 } } = started;
  return { storage: { url, token }, redisPort: port, redisPid: pid };
}

async function measure(): Promise<Results> {
  const runs = Number(options.runs ?? (options.quick ? 1 : 3));
  const measureMs = Number(options.ms ?? (options.quick ? 800 : 2_000));
  const { scenarios: wanted, accepts } = chosen();
  const series: Series[] = [];
  for (const scenario of wanted) {
    const own: Series[] = contenders
      .filter((contender) => accepts(scenario, contender))
      .map((contender) => ({ scenario: scenario.name, contender, runs: [] }));
    series.push(...own);
    console.log(`\n${scenario.title}: ${scenario.unit}`);
    // Each round goes through all servers, so that other work of the machine falls on all of them.
    for (let run = 0; run < runs; run++) {
      for (const one of own) await runOnce(scenario, one, measureMs);
    }
    report(scenario, { machine: "", pinned, series });
  }
  return { machine: machine(), pinned, series };
}

async function runOnce(
  scenario: Scenario,
  series: Series,
  measureMs: number,
): Promise<void> {
  try {
    series.runs.push(await scenario.run(series.contender, measureMs, cluster));
  } catch (error) {
    series.failure = error instanceof Error ? error.message : String(error);
  }
}

function report(scenario: Scenario, results: Results): void {
  for (
    const one of results.series.filter((series) => series.scenario === scenario.name)
  ) {
    const summary = summarize(one, scenario.metric);
    const more = (name: string): string => {
      const value = summarize(one, name)?.median;
      return value === undefined ? "" : `  ${name} ${short(value)}`;
    };
    const extras = [
      "p50Ms",
      "p99Ms",
      "kept",
      "noise",
      "bytesPerDelivery",
      "lagP99Ms",
      "reads",
      "redisBusy",
      "heapBytes",
      "settledBytes",
      "ofThousand",
      "megabytes",
      "hubBytes",
      "clientBytes",
      "serverBusy",
      "generatorBusy",
      "perCpuSecond",
    ].map(more).join("");
    const value = summary
      ? `${short(summary.median)} ±${(summary.spread * 50).toFixed(0)} %`
      : (one.failure ?? "failed");
    console.log(
      `  ${nameOf(one.contender).padEnd(20)} ${value.padEnd(16)}${extras}`,
    );
  }
  for (const { runtime, text, met } of verdicts(results, scenario)) {
    console.log(`  ${met ? "reached" : "MISSED "} ${runtime}: ${text}`);
  }
}

function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model ?? "unknown"}, ${process.platform}`;
}

/** The measurements of this call, and those that earlier ones wrote of the other scenarios. */
function withEarlier(results: Results): Results {
  const path = join(folder, "results.json");
  if (!existsSync(path)) return results;
  const measured = new Set(results.series.map(({ scenario }) => scenario));
  const earlier = JSON.parse(readFileSync(path, "utf8")) as Results;
  return {
    ...results,
    series: [...results.series, ...earlier.series.filter(({ scenario }) => !measured.has(scenario))],
  };
}

/** Puts tables and plot between the marks of bench/README.md. */
function writeReadme(results: Results): void {
  const path = join(folder, "README.md");
  const [before, , after] = readFileSync(path, "utf8").split(MARK);
  const cores = results.pinned ? "server and generator on a core each" : "without pinning";
  const intro =
    `Measured on ${results.machine}, ${cores}. ± is half the spread of the runs; in brackets what meshsocket is to it.`;
  const body = `\n\n${intro}\n\n![The same as bars](results.svg)\n\n![What grows as lines](curves.svg)\n\n${
    toMarkdown(results, scenarios)
  }\n`;
  writeFileSync(path, `${before ?? ""}${MARK}${body}${MARK}${after ?? "\n"}`);
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, undefined, 1)}\n`);
  const { status } = spawnSync(process.execPath, [join(folder, "plot", "main.ts")], { stdio: "inherit" });
  if (status !== 0) throw new Error("bench/plot/main.ts failed");
}

installPeers();
const results = await measure();
if (options.write) writeReadme(withEarlier(results));
await (await redis)?.stop();
process.exit(0);
