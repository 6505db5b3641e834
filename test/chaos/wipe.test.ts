/** Storages that forget: everything, a part, or all leases. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosCluster } from "../kit/chaos-cluster.ts";
import { startChaosEtcd, STORES } from "../kit/chaos-store.ts";
import { crowd, type Member } from "../kit/crowd.ts";
import { Random, runSeed } from "../kit/random.ts";
import { until } from "../kit/until.ts";

/** Enough to see what is lost, and as many as one process of tests and three nodes can hold at once. */
const FEW = 300;
const MANY = 5_000;
/** The lease that a DistHub has by default: its third is the time after which a wipe is noticed. */
const DEFAULT_LEASE_MS = 15_000;
const REACHABLE_MS = 10_000;
const CALLS_AT_ONCE = 1_000;

/** Clients in equal parts on all nodes. */
async function clientsOf(cluster: ChaosCluster, count: number): Promise<Member[]> {
  const each = Math.ceil(count / cluster.seats.length);
  const crowds = await Promise.all(cluster.seats.map(({ node, runtime }) => crowd(node, runtime, each)));
  return crowds.flat();
}

/** Resolves once every client was reached from every node that does not hold it, within the time; rejects if one had to reconnect. */
async function allReached(
  cluster: ChaosCluster,
  clients: readonly Member[],
  what: string,
  startMs: number = performance.now(),
): Promise<void> {
  for (const { node, runtime } of cluster.seats) {
    let missing = clients.filter(({ id }) => !id.startsWith(runtime));
    await until(`all clients to be reached from ${runtime} ${what}`, async () => {
      const asked = missing.slice(0, CALLS_AT_ONCE);
      const outcomes = await node.callAll(asked.map(({ id }) => ["emit", id, `${what} from ${runtime}`]));
      const reached = asked.filter((_, index) => {
        const outcome = outcomes[index];
        return outcome && "value" in outcome && outcome.value === true;
      });
      missing = missing.filter((client) => !reached.includes(client));
      return missing.length === 0;
    });
  }
  const ms = performance.now() - startMs;
  assert.ok(ms < REACHABLE_MS, `it took ${ms} ms`);
  assert.deepEqual(clients.filter(({ closed }) => closed), []);
}

for (const store of STORES) {
  test(`${store}: after everything was wiped each of 5,000 clients is reachable again from other nodes in under 10 s, with no reconnect`, async () => {
    await using cluster = await ChaosCluster.start({ store, leaseMs: DEFAULT_LEASE_MS });
    const clients = await clientsOf(cluster, MANY);
    await allReached(cluster, clients.slice(0, 10), "before");
    const lives = await Promise.all(cluster.seats.map(async ({ node }) => (await node.status()).holder.life));
    const wipedAtMs = performance.now();
    await cluster.store.wipe();
    const wiped = (await cluster.store.content()).length;
    await until("the nodes to notice", async () => (await cluster.store.content()).length > wiped + 1_000);
    await allReached(cluster, clients, "after", wipedAtMs);
    // A wipe ends no life: who knew a route still has it.
    assert.deepEqual(
      await Promise.all(cluster.seats.map(async ({ node }) => (await node.status()).holder.life)),
      lives,
    );
  });

  test(`${store}: what a part of the storage lost without a sign is noticed and made again, with no reconnect`, async () => {
    await using cluster = await ChaosCluster.start({ store });
    const clients = await clientsOf(cluster, FEW);
    const random = new Random(runSeed);
    const lost = clients.filter(() => random.next() < 0.3).map(({ id }) => id);
    await cluster.store.lose(lost);
    await allReached(cluster, clients, "after");
    const found = await Promise.all(cluster.seats.map(({ node }) => node.audit()));
    assert.deepEqual(found, [0, 0, 0]);
  });

  test(`${store}: an audit finds at once what a part of the storage lost without a sign`, async () => {
    // No lease is renewed meanwhile.
    await using cluster = await ChaosCluster.start({ store, leaseMs: 60_000 });
    const clients = await clientsOf(cluster, 30);
    const lost = clients.filter((_, index) => index % 3 === 0).map(({ id }) => id);
    await cluster.store.lose(lost);
    const [{ node: asking }, { node: other }] = [cluster.seat(0), cluster.seat(1)];
    const hidden = lost.find((id) => id.startsWith(other.runtime)) ?? "";
    assert.equal(await asking.hub.emit(hidden, "lost"), false);
    const found = await Promise.all(cluster.seats.map(({ node }) => node.audit()));
    assert.equal(found.reduce((sum, count) => sum + count, 0), lost.length);
    await allReached(cluster, clients, "after the audit");
  });
}

test("etcd: after all leases were revoked every client is reachable again from other nodes, with no reconnect", async () => {
  const store = await startChaosEtcd();
  await using cluster = await ChaosCluster.start({ store });
  const clients = await clientsOf(cluster, FEW);
  await store.revokeAll();
  await until("the nodes to notice", async () => (await store.content()).split("\n").length > FEW);
  await allReached(cluster, clients, "after");
  await store.revokeAll();
  await store.revokeAll();
  await until("the nodes to notice again", async () => (await store.content()).split("\n").length > FEW);
  await allReached(cluster, clients, "after the third time");
});
