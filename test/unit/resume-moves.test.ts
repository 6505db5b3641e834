/** Guarantees 2 and 10 for what is under way between nodes while a client moves: publishes, broadcasts and emits alike. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { longRun, runSeed } from "../kit/random.ts";
import { movingNodeOptions, sendWhileMoving } from "../kit/moving-client.ts";

const SEEDS = longRun ? 300 : 12;

test("while three nodes publish, broadcast and emit to a client that moves, nothing is missing, doubled or out of order", async () => {
  let moves = 0;
  for (let seed = runSeed; seed < runSeed + SEEDS; seed++) {
    await using cluster = new MemoryCluster();
    const nodes = await threeNodes(cluster, movingNodeOptions());
    const arrived = await sendWhileMoving(cluster, nodes, seed);
    moves += arrived.moves;
    assert.deepEqual(arrived.lost, [], `seed ${seed}`);
    for (const sender of ["a", "b", "c", "kepta", "keptb", "keptc"]) {
      const of = (messages: readonly string[]): string[] => messages.filter((one) => one.startsWith(`${sender} `));
      assert.deepEqual(of(arrived.got), of(arrived.sent), `seed ${seed}, sender ${sender}`);
    }
  }
  assert.ok(moves > 3 * SEEDS, `the client moved only ${moves} times`);
});
