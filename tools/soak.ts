/**
 * The long chaos run: three nodes of three runtimes, clients that come back, random faults, and the history checker.
 *
 *   npm run soak -- --minutes 30 --seed 7 --clients 300 --store redis
 *
 * The same seed brings the same faults in the same order. Exits with 1 when a promise was broken.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { chaosRun } from "../test/kit/chaos-run.ts";
import { type StoreName, STORES } from "../test/kit/chaos-store.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    clients: { type: "string", default: "300" },
    store: { type: "string", default: "redis" },
  },
});

const seed = Number(values.seed);
const store = STORES.find((name): name is StoreName => name === values.store);
if (!store) throw new TypeError(`there is no storage called ${values.store}`);
console.log(`seed ${seed}, ${values.minutes} minutes, ${values.clients} clients, ${store}`);
const result = await chaosRun({
  store,
  seed,
  clients: Number(values.clients),
  forMs: Number(values.minutes) * 60_000,
  log: (line) => console.log(`${new Date().toISOString()} ${line}`),
});
const { faults, broken, ...counts } = result;
console.log(`${faults.length} faults, ${JSON.stringify(counts)}`);
for (const line of broken.slice(0, 50)) console.log(line);
console.log(`${broken.length} broken promises`);
process.exit(broken.length > 0 ? 1 : 0);
