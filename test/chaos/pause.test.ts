/** Nodes that stand still and wake again, and releases that come late. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosCluster, LEASE_MS, type Seat } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { crowd, duplicates, member } from "../kit/crowd.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

/** The deadline of these nodes' calls, and so what they may stand still without anybody giving up on them. */
const TIMEOUT_MS = 500;

async function start(store: typeof STORES[number]): Promise<{ cluster: ChaosCluster; paused: Seat; others: Seat[] }> {
  const cluster = await ChaosCluster.start({ store, limits: { timeoutMs: TIMEOUT_MS } });
  const paused = cluster.on(runtime);
  return { cluster, paused, others: cluster.others(paused) };
}

/** How long after it woke at most an id may have two owners. */
const ONE_OWNER_MS = 5_000;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

for (const store of STORES) {
  test(`${store}: a node that stood still for less than its lease changes nothing, and delivers nothing that its sender gave up`, async () => {
    const { cluster, paused, others: [asking] } = await start(store);
    await using _ = cluster;
    const { node } = asking as Seat;
    const clients = await crowd(paused.node, "client", 20);
    const ids = clients.map(({ id }) => id);
    await node.callAll(ids.map((id) => ["emit", id, "before"]));
    const { life } = (await paused.node.status()).holder;
    paused.node.signal("SIGSTOP");
    const outcomes = await node.callAll(ids.map((id) => ["emit", id, "late"]));
    assert.ok(outcomes.every((one) => "code" in one && one.code === "deadline_exceeded"), JSON.stringify(outcomes[0]));
    await sleep(LEASE_MS * 0.3);
    paused.node.signal("SIGCONT");
    for (const [index, client] of clients.entries()) {
      await until("the node to answer", () => node.hub.emit(client.id, `after ${index}`).catch(() => false));
      await client.awaits(`after ${index}`);
      assert.deepEqual(client.got.filter((text) => text !== `after ${index}`), ["before"]);
      assert.equal(client.closed, undefined);
    }
    assert.equal((await paused.node.status()).holder.life, life);
    assert.deepEqual(node.events.filter(({ type }) => type === "nodeleave"), []);
    assert.equal(duplicates(clients), 0);
  });

  test(`${store}: a node that stood still for twice its lease takes back what nobody took, and nothing else`, async () => {
    const { cluster, paused, others } = await start(store);
    await using _ = cluster;
    const [first, second] = others as [Seat, Seat];
    const kept = await crowd(paused.node, "kept", 20);
    const taken = await crowd(paused.node, "taken", 20);
    const strangers = await crowd(second.node, "stranger", 20);
    const ids = [...kept, ...taken, ...strangers].map(({ id }) => id);
    await first.node.callAll(ids.map((id) => ["emit", id, "before"]));
    const { life } = (await paused.node.status()).holder;
    paused.node.signal("SIGSTOP");
    const underWay = first.node.callAll(ids.map((id) => ["emit", id, "under way"]));
    await sleep(2 * LEASE_MS);
    const newer = await crowd(first.node, "taken", 20);
    await underWay;
    const wokenAtMs = performance.now();
    paused.node.signal("SIGCONT");
    await until("the taken ones to be closed", () => taken.every(({ closed }) => closed?.code === 4409));
    await until("a new life", async () => (await paused.node.status()).holder.life !== life);
    for (const client of [...kept, ...newer, ...strangers]) {
      for (const { node } of [first, second, paused]) {
        const message = `after from ${node.runtime}`;
        await until(`${client.id} to be reached`, () => node.hub.emit(client.id, message).catch(() => false));
        await client.awaits(message);
      }
    }
    const owned = (await Promise.all(cluster.seats.map(({ node }) => node.status()))).flatMap((status) => status.ids);
    assert.deepEqual(owned.toSorted(), ids.toSorted());
    const ms = performance.now() - wokenAtMs;
    assert.ok(ms < ONE_OWNER_MS, `it took ${ms} ms`);
    assert.equal(duplicates([...kept, ...taken, ...newer, ...strangers]), 0);
    assert.deepEqual(taken.filter(({ got }) => got.some((text) => text.startsWith("after"))), []);
    assert.ok([...kept, ...strangers].every(({ closed }) => closed === undefined));
    await until("the former life to be gone", async () => !(await cluster.store.content()).includes(life));
  });

  test(`${store}: a release that the network held back for seconds erases no newer claim`, async () => {
    const { cluster, paused, others } = await start(store);
    await using _ = cluster;
    const [first, second] = others as [Seat, Seat];
    const old = await member(paused.node, "mover");
    const leaves = await member(paused.node, "leaver");
    paused.storage.pause();
    old.leave();
    leaves.leave();
    await paused.node.event("the disconnect", (event) => event.type === "disconnect" && event.id === "mover");
    const back = await member(first.node, "mover");
    assert.equal(await second.node.hub.emit("mover", "1"), true);
    await sleep(1_200);
    paused.storage.resume();
    await until("the other release to be through", async () => !(await cluster.store.content()).includes("leaver"));
    await until("the node to be well", async () => (await paused.node.status()).status === "ready");
    assert.ok((await cluster.store.content()).includes("mover"));
    for (const { node } of cluster.seats) assert.equal(await node.hub.emit("mover", `from ${node.runtime}`), true);
    assert.equal(duplicates([back]), 0);
  });
}
