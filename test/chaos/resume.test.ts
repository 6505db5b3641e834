/** Guarantee 10 on real processes and the client package, judged by the history checker in both directions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosCluster } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { runSeed } from "../kit/random.ts";
import { resumeRun } from "../kit/resume-run.ts";
import { runtime } from "../kit/runtime.ts";
import { usedTokenResumes } from "../kit/used-token.ts";

const FOR_MS = runtime === "node" ? 10_000 : 3_000;

for (const [index, store] of STORES.entries()) {
  test(`${store}: under random faults nothing is missing, doubled or out of order for clients that resumed, and others hear lost`, async () => {
    const seed = runSeed + index;
    console.log(`MESHSOCKET_SEED=${seed}, on ${store}`);
    const { broken, faults, whoLost, ...counts } = await resumeRun({ store, seed, clients: 40, forMs: FOR_MS });
    const told = `seed ${seed}: ${JSON.stringify(counts)}; lost: ${whoLost.join()}; ${faults.join(", ")}`;
    console.log(told);
    assert.deepEqual(broken.slice(0, 20), [], told);
    assert.ok(counts.received > 0 && counts.handled > 0, told);
  });
}

const CUTS = ["clients' connections cut", "clients' connections reset"];

for (const defect of ["no escape", "ack before handling", "state fetched twice"] as const) {
  test(`the checker finds a build with a defect: ${defect}`, async () => {
    const run = { store: "redis", seed: 5, clients: 40, forMs: 4_000, defect, faults: CUTS } as const;
    const broken = await resumeRun(run).then((verdict) => verdict.broken, (error: unknown) => [String(error)]);
    assert.notDeepEqual(broken, []);
    console.log(`${defect}: ${broken[0]}`);
  });
}

test("a used token does not resume, and the checker finds a build in which it does", async () => {
  for (const defect of [undefined, "token reusable"] as const) {
    await using cluster = await ChaosCluster.start({ store: "redis", defect, runtimes: [runtime] });
    assert.equal(await usedTokenResumes(cluster.seat(0).node), defect !== undefined);
  }
});
