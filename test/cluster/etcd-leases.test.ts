import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type FaultyEtcd, startFaultyEtcd } from "../kit/faulty-etcd.ts";
import { A, B, C, livingHolder, LONG_MS } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let etcd: FaultyEtcd;

before(async () => {
  etcd = await startFaultyEtcd();
});

after(async () => {
  await etcd.stop();
});

/** How many keys are attached to each lease, largest first. */
async function keysPerLease(): Promise<number[]> {
  const counts = (await etcd.leases()).map(async (ID) => {
    const { keys = [] } = await etcd.call("/v3/lease/timetolive", { ID, keys: true }) as { keys?: string[] };
    return keys.length;
  });
  return (await Promise.all(counts)).toSorted((one, other) => other - one);
}

function idsOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

test("no lease has more than 1,000 keys, and few leases do for many", async () => {
  const [storage] = etcd.makeStorages({ timeoutMs: 5_000 });
  await etcd.revokeAll();
  const a = await livingHolder(storage, A);
  await Promise.all([
    storage.set(idsOf("one", 1_200), a),
    storage.set(idsOf("two", 1_200), a),
    ...idsOf("topic", 100).map((topic) => storage.subscribe(topic, a)),
  ]);
  const counts = await keysPerLease();
  assert.ok(counts.every((count) => count <= 1_000), counts.join());
  // Each of them is attached to itself by one key more.
  assert.ok(counts.length <= 6, counts.join());
  await storage.leave(a);
});

test("renewals while claims grow take no further leases", async () => {
  const [storage] = etcd.makeStorages({ timeoutMs: 5_000 });
  await etcd.revokeAll();
  const a = await livingHolder(storage, A);
  let done = false;
  const claiming = storage.set(idsOf("client", 5_000), a).finally(() => (done = true));
  while (!done) assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
  await claiming;
  const counts = await keysPerLease();
  assert.ok(counts.length <= 7 && counts.every((count) => count <= 1_000), counts.join());
  await storage.leave(a);
});

test("clients that come and go take no further leases", async () => {
  const [storage] = etcd.makeStorages({ timeoutMs: 5_000 });
  await etcd.revokeAll();
  const a = await livingHolder(storage, A);
  for (let round = 0; round < 5; round++) {
    const ids = idsOf(`round-${round}`, 400);
    const claimed = await storage.set(ids, a);
    await storage.set(ids.slice(0, 50), a, { ifAbsent: true });
    const again = await storage.get(ids);
    assert.ok(claimed.every(({ claim }) => claim !== undefined));
    await storage.del(ids.map((id, index) => ({ id, life: a.life, claim: again[index]?.claim ?? 0n })));
    await storage.unsubscribe("news", a);
    await storage.subscribe("news", a);
  }
  assert.equal((await etcd.leases()).length, 2);
  await storage.leave(a);
});

test("clients that move to other nodes leave room behind", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  await etcd.revokeAll();
  const [a, b] = [await livingHolder(storage, A), await livingHolder(other, B)];
  for (let round = 0; round < 5; round++) {
    await storage.set(idsOf(`round-${round}`, 400), a);
    await other.set(idsOf(`round-${round}`, 400), b);
  }
  // One for each life, one for the keys of a, three for those of b.
  assert.ok((await etcd.leases()).length <= 6);
  await Promise.all([storage.leave(a), other.leave(b)]);
});

test("clearing a dead life costs as much as it left, whatever else there is", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  const b = await livingHolder(other, B);
  await other.set(idsOf("other", 3_000), b);
  const a = await livingHolder(other, A, 1_000);
  await other.set(idsOf("mine", 1_500), a);
  await until("the lease to end", async () => (await other.living()).length === 1);
  etcd.calls.length = 0;
  assert.equal(await storage.clear(a), 1_500);
  // One transaction; to count and to revoke each of its two leases.
  assert.deepEqual(etcd.calls.map(({ name }) => name).toSorted(), [
    ...["revoke", "revoke", "timetolive", "timetolive", "txn"],
  ]);
  assert.deepEqual((await etcd.keys()).filter((key) => key.includes(a.life)), []);
  assert.ok((await other.get(idsOf("other", 3_000))).every((entry) => entry?.life === b.life));
});

test("no transaction has 100 operations or a megabyte, and none names a key twice", async () => {
  const [storage] = etcd.makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(storage, A);
  const long = idsOf("x".repeat(10_000), 150);
  const ids = [...idsOf("client", 250), ...long, ...idsOf("client", 10)];
  etcd.calls.length = 0;
  for (const ifAbsent of [false, true]) {
    await storage.set(ids, a, { ifAbsent });
    const entries = await storage.get(ids);
    await storage.del(ids.map((id, index) => ({ id, life: a.life, claim: entries[index]?.claim ?? 0n })));
  }
  const requests = etcd.calls.filter(({ name }) => name === "txn" || name === "claim");
  for (const { body } of requests) {
    const { success } = JSON.parse(body) as { success: Record<string, { key?: string }>[] };
    assert.ok(success.length < 100, `${success.length} operations`);
    assert.ok(body.length < 1_400_000, `${body.length} characters`);
    const written = success.map((operation) => operation["request_put"]?.key).filter(Boolean);
    assert.equal(new Set(written).size, written.length);
  }
  assert.ok((await storage.get(ids)).every((entry) => entry === undefined));
});

test("a lease that is renewed for a shorter time ends after that time", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  const c = await livingHolder(storage, C, LONG_MS);
  await storage.set(["alice"], c);
  assert.equal((await storage.renew(c, 1_000)).lapsed, false);
  assert.equal((await other.get(["alice"]))[0]?.life, c.life);
  await until("the lease to end", async () => (await other.living()).length === 0);
  assert.deepEqual(await other.get(["alice"]), [undefined]);
});
