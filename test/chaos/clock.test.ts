/** Nodes whose wall clock is stepped, and nodes whose event loop the application blocks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosCluster, LEASE_MS, type Seat } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { crowd, duplicates, type Member } from "../kit/crowd.ts";
import type { Outcome } from "../kit/node-control.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const HOUR_MS = 3_600_000;
/** A node may stand still for two thirds of its lease at any moment; a busy machine takes something of that. */
const STALL_LEASE_MS = 3_000;
const STALL_MS = STALL_LEASE_MS / 2;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function sendAll({ node }: Seat, clients: readonly Member[], text: string): Promise<Outcome[]> {
  return await node.callAll(clients.map(({ id }) => ["emit", id, text]));
}

const isTrue = (outcome: Outcome): boolean => "value" in outcome && outcome.value === true;

async function lives(cluster: ChaosCluster): Promise<string[]> {
  return await Promise.all(cluster.seats.map(async ({ node }) => (await node.status()).holder.life));
}

function left(cluster: ChaosCluster): unknown[] {
  return cluster.seats.flatMap(({ node }) => node.events.filter(({ type }) => type === "nodeleave"));
}

for (const store of STORES) {
  test(`${store}: a wall clock that is set an hour forward or back ends no lease and no line, and cuts no call short`, async () => {
    await using cluster = await ChaosCluster.start({ store });
    const before = await lives(cluster);
    const clients = (await Promise.all(cluster.seats.map(({ node, runtime: on }) => crowd(node, on, 5)))).flat();
    for (const seat of cluster.seats) assert.ok((await sendAll(seat, clients, `before ${seat.runtime}`)).every(isTrue));
    for (const aheadMs of [HOUR_MS, -HOUR_MS]) {
      // One node's clock is right, one's is ahead and one's behind; then the other way round.
      await cluster.seat(1).node.setClock(aheadMs);
      await cluster.seat(2).node.setClock(-aheadMs);
      const endsAtMs = performance.now() + LEASE_MS;
      for (let round = 0; performance.now() < endsAtMs; round++) {
        for (const seat of cluster.seats) {
          const outcomes = await sendAll(seat, clients, `${aheadMs} ${round} from ${seat.runtime}`);
          assert.ok(outcomes.every(isTrue), JSON.stringify(outcomes.find((one) => !isTrue(one))));
        }
        await sleep(100);
      }
      const fresh = await Promise.all(
        cluster.seats.map(({ node, runtime: on }) => crowd(node, `${aheadMs} ${on}`, 1)),
      );
      for (const seat of cluster.seats) assert.ok((await sendAll(seat, fresh.flat(), "new")).every(isTrue));
    }
    assert.deepEqual(await lives(cluster), before);
    assert.deepEqual(left(cluster), []);
    assert.equal(duplicates(clients), 0);
    assert.deepEqual(clients.filter(({ closed }) => closed), []);
  });

  test(`${store}: a handler that blocks a node for less than its lease costs nobody a connection and the node not its life`, async () => {
    await using cluster = await ChaosCluster.start({ store, leaseMs: STALL_LEASE_MS });
    const before = await lives(cluster);
    const clients = (await Promise.all(cluster.seats.map(({ node, runtime: on }) => crowd(node, on, 20)))).flat();
    for (const seat of cluster.seats) assert.ok((await sendAll(seat, clients, `before ${seat.runtime}`)).every(isTrue));
    const stalled = cluster.on(runtime);
    const over = stalled.node.stall(STALL_MS);
    const others = cluster.others(stalled);
    const sends: Outcome[][] = [];
    let going = true;
    const sending = others.map(async (seat) => {
      for (let round = 0; going; round++) {
        sends.push(await sendAll(seat, clients, `${stalled.runtime} stalled, ${round} from ${seat.runtime}`));
        await sleep(20);
      }
    });
    await over;
    // What waited for the node is read now, and the lease is renewed nevertheless.
    await sleep(STALL_LEASE_MS / 3);
    going = false;
    await Promise.all(sending);
    const untrue = sends.flat().filter((one) => !isTrue(one));
    assert.deepEqual(untrue.slice(0, 5), []);
    await until("the node to be well", async () => (await stalled.node.status()).status === "ready");
    assert.deepEqual(await lives(cluster), before);
    assert.deepEqual(left(cluster), []);
    assert.equal(duplicates(clients), 0);
    assert.deepEqual(clients.filter(({ closed }) => closed), []);
  });
}
