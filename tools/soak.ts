/**
 * The long chaos run: three nodes of three runtimes, clients that come back, random faults, and the history checker.
 *
 *   npm run soak -- --minutes 30 --seed 7 --clients 300 --store redis
 *   npm run soak -- --seeds 10 --minutes 0.25           ten short runs on each storage, with seeds that follow each other
 *
 *   npm run soak -- --resume --store etcd               clients of the client package that resume, judged in both directions
 *   npm run soak -- --connects 100000 --runtime bun     connections that come and go in every way, on one node of each runtime or of one
 *   npm run soak -- --connects 100000 --minutes 60      the same, spread over an hour
 *   npm run soak -- --history --store etcd              readers of topics with history, whose Redis is wiped, restarted and failed over
 *
 * The same seed brings the same faults in the same order. Exits with 1 when a promise was broken, too much was exempt, or the node that
 * lived through the run did not give back its memory and its files.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { catchUpRun } from "../test/kit/catch-up-run.ts";
import { type ChaosResult, chaosRun } from "../test/kit/chaos-run.ts";
import { connectRun } from "../test/kit/connect-run.ts";
import { NODE_RUNTIMES } from "../test/kit/node-process.ts";
import { resumeRun } from "../test/kit/resume-run.ts";
import { type StoreName, STORES } from "../test/kit/chaos-store.ts";
import { tooManyExempt } from "../test/kit/emit-history.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    seeds: { type: "string", default: "1" },
    clients: { type: "string", default: "300" },
    store: { type: "string" },
    resume: { type: "boolean", default: false },
    history: { type: "boolean", default: false },
    connects: { type: "string" },
    runtime: { type: "string" },
  },
});

const minutes = Number(values.minutes ?? "10");

// So that the processes which it started end with it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

if (values.connects !== undefined) process.exit((await connectSoak(Number(values.connects))) > 0 ? 1 : 0);

const stores = STORES.filter((name) => (values.store ?? (values.seeds === "1" ? "redis" : name)) === name);
if (stores.length === 0) throw new TypeError(`there is no storage called ${values.store}`);
let broken = 0;
for (const store of stores) {
  for (let index = 0; index < Number(values.seeds); index++) broken += await soak(store, Number(values.seed) + index);
}
console.log(`${broken} broken promises`);
process.exit(broken > 0 ? 1 : 0);

/** The same number of connections on a node of each runtime, one after the other. */
async function connectSoak(connects: number): Promise<number> {
  const runtimes = NODE_RUNTIMES.filter((name) => (values.runtime ?? name) === name);
  let found = 0;
  for (const runtime of runtimes) {
    console.log(`seed ${values.seed}, ${connects} connects on ${runtime}`);
    const { broken: kept, ...counts } = await connectRun({
      runtime,
      connects,
      forMs: values.minutes === undefined ? 0 : minutes * 60_000,
      seed: Number(values.seed),
      log: (line) => console.log(`${new Date().toISOString()} ${line}`),
    });
    console.log(`${JSON.stringify(counts)}, ${kept.length} broken promises`);
    for (const line of kept) console.log(line);
    found += kept.length;
  }
  return found;
}

async function soak(store: StoreName, seed: number): Promise<number> {
  console.log(`seed ${seed}, ${minutes} minutes, ${values.clients} clients, ${store}`);
  const options = {
    store,
    seed,
    clients: Number(values.clients),
    forMs: minutes * 60_000,
    log: (line: string): void => void (values.seeds === "1" && console.log(`${new Date().toISOString()} ${line}`)),
  };
  if (values.resume || values.history) return told(await (values.history ? catchUpRun : resumeRun)(options));
  const result = await chaosRun(options);
  const { faults, broken: found, ...counts } = result;
  const all = tooManyExempt(result) ? [...found, `${result.exempt} messages were exempt`] : found;
  console.log(`${faults.length} faults, ${JSON.stringify(counts)}, ${all.length} broken promises`);
  for (const line of all.slice(0, 50)) console.log(line);
  return all.length;
}

function told({ broken: found, faults, ...counts }: Pick<ChaosResult, "broken" | "faults">): number {
  const short = JSON.stringify(counts, (_, value: unknown) => Array.isArray(value) ? value.length : value);
  console.log(`${faults.length} faults, ${short}, ${found.length} broken promises`);
  for (const line of found.slice(0, 50)) console.log(line);
  return found.length;
}
