import assert from "node:assert/strict";
import { test } from "node:test";
import { connectRun } from "../kit/connect-run.ts";
import { longRun, runSeed } from "../kit/random.ts";
import { runtime } from "../kit/runtime.ts";

test("connections that come and go in every way leave nothing behind, in a node or in the storage", async () => {
  const { broken, ...counts } = await connectRun({ runtime, connects: longRun ? 100_000 : 1_000, seed: runSeed });
  assert.deepEqual(broken, [], `seed ${runSeed}: ${JSON.stringify(counts)}`);
});
