/** Nodes that leave in order, one after the other, under load. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosClients } from "../kit/chaos-clients.ts";
import { ChaosCluster, type Seat } from "../kit/chaos-cluster.ts";
import { sendFromAll } from "../kit/chaos-run.ts";
import { STORES } from "../kit/chaos-store.ts";
import { crowd } from "../kit/crowd.ts";
import { checkEmits, EmitHistory } from "../kit/emit-history.ts";
import { Random, runSeed } from "../kit/random.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

for (const store of STORES) {
  test(`${store}: a node that drains closes its clients in slices with 1012 and a hint, takes none, and leaves nothing behind`, async () => {
    await using cluster = await ChaosCluster.start({ store });
    const leaving = cluster.on(runtime);
    const [other] = cluster.others(leaving) as [Seat];
    const { life } = (await leaving.node.status()).holder;
    const clients = await crowd(leaving.node, "client", 60);
    const ids = clients.map(({ id }) => id);
    await other.node.callAll(ids.map((id) => ["emit", id, "route"]));
    const startMs = performance.now();
    const closing = leaving.node.close(1_000);
    await until("the first slice to be closed", () => clients.some(({ closed }) => closed));
    // Slices: while some are gone the others are still reached, and nobody new is let in.
    assert.ok(clients.filter(({ closed }) => closed).length < clients.length / 2);
    await assert.rejects(crowd(leaving.node, "new", 1));
    const outcomes = await other.node.callAll(ids.map((id) => ["emit", id, "while draining"]));
    await closing;
    assert.ok(performance.now() - startMs > 800, "the slices are spread over the drain");
    const hints = clients.map(({ closed }) => {
      assert.equal(closed?.code, 1012);
      return (JSON.parse(closed?.reason ?? "") as { retryAfterMs: number }).retryAfterMs;
    });
    assert.ok(new Set(hints).size > 20 && hints.every((hint) => hint >= 0), "the hints are spread");
    const lost = outcomes.flatMap((outcome, index) => {
      const got = clients[index]?.got.includes("while draining");
      return "value" in outcome && outcome.value === true && !got ? [ids[index]] : [];
    });
    assert.deepEqual(lost, []);
    assert.ok(outcomes.some((outcome) => "value" in outcome && outcome.value === true));
    assert.ok(!(await cluster.store.content()).includes(life));
    for (const { id } of clients) assert.equal(await other.node.hub.online(id), false);
  });

  test(`${store}: a rolling restart of all nodes under load loses no message that was reported as delivered`, async () => {
    const history = new EmitHistory();
    await using cluster = await ChaosCluster.start({ store });
    const clients = new ChaosClients(cluster, history, new Random(runSeed), 60);
    await clients.start();
    const stop = sendFromAll(cluster, clients, history, runSeed);
    for (const seat of cluster.seats) {
      await cluster.drain(seat, 500);
      await cluster.acquainted();
      await until("every client to be back", () => clients.complete);
    }
    await stop();
    await clients.stop();
    const { broken, delivered, exempt } = checkEmits(history);
    assert.deepEqual(broken.slice(0, 20), [], `seed ${runSeed}`);
    assert.ok(delivered > 200, `${delivered} delivered`);
    assert.equal(exempt, 0, "an orderly close excuses nothing");
  });
}
