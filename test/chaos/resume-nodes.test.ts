/** Clients of `meshsocket.v1` whose nodes die or leave, on real processes of the three runtimes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChaosCluster, LEASE_MS } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { longRun, runSeed } from "../kit/random.ts";
import type { ResumeClients } from "../kit/resume-clients.ts";
import { resumeRun } from "../kit/resume-run.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const CLIENTS = 150;
/** Once it is known that the node's life is over. */
const BACK_MS = 5_000;
/** Pauses between two bursts of a client, and between two sends of a node: with a thousand clients each send is a thousand messages. */
const LOAD = longRun ? { clients: 1_000, clientMs: 3_000, nodeMs: 500, leaseMs: 15_000 } : { clients: CLIENTS };

for (const store of STORES) {
  test(`${store}: after kill -9 of one of three nodes exactly its clients hear lost, and all are back on the others in time`, async () => {
    let dead: readonly string[] = [];
    let backMs = Infinity;
    const { broken, whoLost, ...counts } = await resumeRun({
      store,
      seed: runSeed,
      clients: CLIENTS,
      async act(cluster: ChaosCluster, clients: ResumeClients): Promise<void> {
        const seat = cluster.on(runtime);
        dead = (await seat.node.status()).ids;
        const killedMs = performance.now();
        await cluster.kill(seat);
        await until("every client to be back", () => clients.complete);
        backMs = performance.now() - killedMs;
        await cluster.restart(seat);
      },
    });
    const told = `seed ${runSeed}, back after ${Math.round(backMs)} ms: ${JSON.stringify(counts)}`;
    assert.deepEqual(broken.slice(0, 20), [], told);
    assert.ok(dead.length > CLIENTS / 10, `${dead.length} clients were on the node`);
    assert.deepEqual(whoLost.toSorted(), dead.toSorted(), told);
    assert.ok(backMs < LEASE_MS + BACK_MS, told);
  });

  test(`${store}: a rolling restart of three nodes under load loses no client and no message`, async () => {
    const { broken, whoLost, ...counts } = await resumeRun({
      store,
      seed: runSeed,
      ...LOAD,
      async act(cluster: ChaosCluster, clients: ResumeClients): Promise<void> {
        for (const seat of cluster.seats) {
          await cluster.drain(seat, 500);
          await cluster.acquainted();
          await until("every client to be back", () => clients.complete);
        }
      },
    });
    const told = `seed ${runSeed}: ${JSON.stringify(counts)}`;
    console.log(told);
    assert.deepEqual(broken.slice(0, 20), [], told);
    assert.deepEqual(whoLost, [], told);
    assert.ok(counts.resumes > LOAD.clients, told);
  });
}
