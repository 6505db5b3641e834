/** Topics between processes of mixed runtimes, under random load, judged by the history checker. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { brokenPromises } from "../kit/history-check.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";
import { longRun, runSeed } from "../kit/random.ts";
import { TopicStorm } from "../kit/topic-storm.ts";

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.start({ leaseMs: 5_000 });
});

after(async () => {
  await cluster.close();
});

test("topics: in a storm over three runtimes nobody misses, repeats or reorders a message, and counts add up", async () => {
  const nodes = cluster.nodes.map(({ node }) => node);
  const storm = new TopicStorm(nodes, {
    seed: runSeed,
    clients: 300,
    topics: 50,
    forMs: longRun ? 60_000 : 8_000,
  });
  await storm.run();
  const { listenings, publications, receipts } = storm.history;
  const failed = [...listenings.filter((one) => one.failed), ...publications.filter(({ delivery }) => !delivery)];
  console.log(
    `topics: seed ${runSeed}: ${listenings.length} subscribes and unsubscribes, ${publications.length} publishes,` +
      ` ${receipts.length} messages`,
  );
  assert.deepEqual(brokenPromises(storm.history), [], `MESHSOCKET_SEED=${runSeed}`);
  assert.deepEqual(failed, [], "without faults every call succeeds");
  assert.ok(receipts.length > 1_000, "the storm was one");
});
