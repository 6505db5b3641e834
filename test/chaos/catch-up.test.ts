/** Guarantee 11 on real processes, the client package and a Redis with a replica, judged by a checker of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { catchUpRun } from "../kit/catch-up-run.ts";
import { STORES } from "../kit/chaos-store.ts";
import type { CatchUpDefect } from "../kit/node-control.ts";
import { runSeed } from "../kit/random.ts";
import { runtime } from "../kit/runtime.ts";

const FOR_MS = runtime === "node" ? 15_000 : 3_000;

for (const [index, store] of STORES.entries()) {
  test(`registry in ${store}: under random faults readers get every message once and in order, or are told`, async () => {
    const seed = runSeed + index;
    console.log(`MESHSOCKET_SEED=${seed}, on ${store}`);
    const { broken, faults, ...counts } = await catchUpRun({ store, seed, clients: 30, forMs: FOR_MS });
    const told = `seed ${seed}: ${JSON.stringify(counts)}; ${faults.join(", ")}`;
    console.log(told);
    assert.deepEqual(broken.slice(0, 20), [], told);
    assert.ok(counts.received > 0 && counts.placed > 0 && counts.deltas > 0 && counts.skipped > 0, told);
  });
}

/** For each defect the fault that brings it to light, and what is found. */
const DEFECTS: readonly (readonly [CatchUpDefect, string, RegExp])[] = [
  ["epoch kept after a wipe", "the history wiped", /./],
  ["gap untold", "the history wiped", /was not told/],
  ["live not held during a replay", "clients that leave and come back", /a silent gap/],
  ["keys forgotten", "a history that stands still", /is at .* and at/],
  ["difference to another message", "a late history", /^board.* is .*little.* and .*much/],
  ["older after newer", "clients' connections held up", /price:1 .* again, or too late/],
];

/** The outcome of a fault depends on its moment: a defect is found by one of so many runs. */
const SEEDS = [1, 2, 3];

for (const [defect, fault, finding] of DEFECTS) {
  test(`the checker finds a build with a defect: ${defect}`, async () => {
    const told: string[] = [];
    for (const seed of SEEDS) {
      const run = { store: "redis", seed, clients: 20, forMs: 4_000, defect, faults: [fault] } as const;
      const { broken } = await catchUpRun(run);
      const found = broken.find((line) => finding.test(line));
      console.log(`${defect}: ${found ?? "not found"}`);
      if (found !== undefined) return;
      told.push(...broken.slice(0, 3));
    }
    assert.fail(`not found by ${SEEDS.length} runs: ${JSON.stringify(told)}`);
  });
}
