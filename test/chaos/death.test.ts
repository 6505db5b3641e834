/** `kill -9` of a node and its return, on a real Redis and a real etcd, with nodes of all runtimes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { ChaosCluster, LEASE_MS, type Seat } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { crowd, member, timed } from "../kit/crowd.ts";
import type { Outcome } from "../kit/node-control.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

const CLIENTS = 200;
/** The default deadline of a call, and what a busy machine adds. */
const DEADLINE_MS = 2_000 + 500;
/** What may become of a send to a dead node. */
const FATES: ReadonlySet<unknown> = new Set(["unavailable", "deadline_exceeded", "unknown"]);

/** Whether a send said false, or that its fate is unknown. */
function isHonest(outcome: Outcome): boolean {
  return "value" in outcome ? outcome.value === false : FATES.has(outcome.code);
}

/** Resolves once a node says that the id is not online. */
async function offline({ node }: Seat, id: string): Promise<void> {
  await until(`${id} to be offline on ${node.runtime}`, () => node.hub.online(id).then((on) => !on, () => false));
}

for (const store of STORES) {
  test(`${store}: after kill -9 callers are answered in time, and every survivor says offline within the lease and 1 s`, async () => {
    await using cluster = await ChaosCluster.start({ store });
    const victim = cluster.on(runtime);
    const survivors = cluster.others(victim);
    const [asking, other] = survivors as [Seat, Seat];
    const { node: dead } = victim;
    const { holder } = await dead.status();
    const clients = await crowd(dead, "client", CLIENTS);
    const ids = clients.map(({ id }) => id);
    for (const { node } of survivors) {
      const outcomes = await node.callAll(ids.map((id) => ["emit", id, "route"]));
      assert.deepEqual(outcomes, ids.map(() => ({ value: true })));
    }
    // What is under way when the node dies, and what comes after.
    const underWay = timed(asking.node.callAll(ids.map((id) => ["emit", id, "under way"])));
    await cluster.kill(victim);
    const killedAtMs = performance.now();
    const after = await timed(asking.node.callAll(ids.map((id) => ["emit", id, "after"])));
    const { ms, value = [] } = await underWay;
    assert.ok(ms < DEADLINE_MS, `calls under way took ${ms} ms`);
    assert.ok(after.ms < DEADLINE_MS, `calls after the kill took ${after.ms} ms`);
    assert.ok(after.value?.every(isHonest), JSON.stringify(after.value?.find((one) => !isHonest(one))));
    assert.equal(value.length, CLIENTS);
    const back = await member(other.node, "client-0");
    assert.equal(await asking.node.hub.emit("client-0", "welcome back"), true);
    await back.awaits("welcome back");
    await Promise.all(survivors.map((seat) => offline(seat, "client-1")));
    const offlineMs = performance.now() - killedAtMs;
    assert.ok(offlineMs < LEASE_MS + 1_000, `offline after ${offlineMs} ms`);
    for (const { node } of survivors) {
      const outcomes = await node.callAll(ids.slice(1).map((id) => ["online", id]));
      assert.deepEqual(outcomes, ids.slice(1).map(() => ({ value: false })));
    }
    await until("nothing in the storage to name the dead node", async () => {
      const content = await cluster.store.content();
      return !content.includes(holder.life) && !content.includes(holder.host);
    });
    assert.ok((await cluster.store.content()).includes("client-0"));
  });

  test(`${store}: a node that starts again at the address of a dead one serves its own clients and none of the dead one's`, async () => {
    await using cluster = await ChaosCluster.start({ store });
    const victim = cluster.on(runtime);
    const [asking] = cluster.others(victim) as [Seat];
    const { life } = (await victim.node.status()).holder;
    await crowd(victim.node, "old", 20);
    assert.equal(await asking.node.hub.emit("old-1", "route"), true);
    await cluster.restart(victim);
    await cluster.acquainted();
    assert.notEqual((await victim.node.status()).holder.life, life);
    const fresh = await member(victim.node, "old-0");
    assert.equal(await asking.node.hub.emit("old-0", "to the new life"), true);
    await fresh.awaits("to the new life");
    assert.equal(await asking.node.hub.emit("old-1", "to nobody"), false);
    assert.equal(await asking.node.hub.online("old-1"), false);
    await until("the former life to be gone", async () => !(await cluster.store.content()).includes(life));
    assert.equal(await asking.node.hub.emit("old-0", "still there"), true);
  });
}

test("a node that finds no storage at its start rejects as unavailable and leaves nothing behind", async () => {
  await using cluster = await ChaosCluster.start({ store: "redis", runtimes: ["node"] });
  const seat = cluster.seat(0);
  await seat.node.close();
  seat.storage.refuse(true);
  seat.storage.cut();
  await assert.rejects(
    cluster.restart(seat),
    (error: unknown) => error instanceof MeshError && error.code === "unavailable",
  );
  assert.ok(!(await cluster.store.content()).includes(seat.rpc.host));
  seat.storage.refuse(false);
  await cluster.restart(seat);
  assert.equal((await seat.node.status()).status, "ready");
});
