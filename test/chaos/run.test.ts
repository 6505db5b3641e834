/** Random faults of every kind on three nodes of three runtimes, judged by the history checker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chaosRun } from "../kit/chaos-run.ts";
import { STORES } from "../kit/chaos-store.ts";
import { tooManyExempt } from "../kit/emit-history.ts";
import { longRun, runSeed } from "../kit/random.ts";
import { runtime } from "../kit/runtime.ts";

/** The nodes are of all runtimes whoever drives them: one driver takes its time, the others see that it works on them too. */
const FOR_MS = runtime === "node" ? 10_000 : 2_000;
const SEEDS = longRun ? 10 : 1;
const clientCount = 100;

for (const [index, store] of STORES.entries()) {
  test(`${store}: under random faults no delivery is lost, doubled or out of order, and all heals and ends empty`, async () => {
    for (let seed = runSeed + index; seed < runSeed + index + SEEDS; seed++) {
      console.log(`MESHSOCKET_SEED=${seed}, on ${store}`);
      const result = await chaosRun({ store, seed, clients: clientCount, forMs: FOR_MS });
      const { broken, sent, delivered, exempt, faults } = result;
      const told = `seed ${seed}: ${sent} sent, ${delivered} delivered, ${exempt} exempt; ${faults.join(", ")}`;
      assert.deepEqual(broken.slice(0, 20), [], told);
      assert.ok(delivered > clientCount, told);
      assert.equal(tooManyExempt(result), false, told);
    }
  });
}
