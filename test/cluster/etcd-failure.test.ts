import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type EtcdConfig, EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { dropAnswersOf, type FaultyEtcd, startFaultyEtcd } from "../kit/faulty-etcd.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, claim, entryOf, listed, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";

let etcd: FaultyEtcd;

before(async () => {
  etcd = await startFaultyEtcd();
});

after(async () => {
  await etcd.stop();
});

test("nothing but a lost claim is sent again to the only endpoint", async () => {
  const [storage, other] = etcd.makeStorages();
  const a = await livingHolder(other, A);
  const entry = await claim(storage, CANARY, a);
  etcd.calls.length = 0;
  etcd.fault = dropAnswersOf("txn");
  await fails(storage.del([entry]));
  await fails(storage.get([CANARY]));
  await fails(storage.subscribe(CANARY, a));
  assert.equal(etcd.calls.length, 3);
});

test("when all leases are revoked the next renewal says so, and the generation stays", async () => {
  const [storage, other] = etcd.makeStorages();
  const a = newHolder(A);
  const { generation } = await storage.renew(a, LONG_MS);
  await storage.set(["alice"], a);
  for (let round = 0; round < 2; round++) {
    await etcd.revokeAll();
    assert.deepEqual(await other.get(["alice"]), [undefined]);
    await assert.rejects(storage.set(["alice"], a), withCode("failed_precondition"));
    const renewal = await storage.renew(a, LONG_MS);
    assert.deepEqual(renewal, { lapsed: true, living: [a], generation, entries: [] });
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
    const entry = await claim(storage, "alice", a);
    assert.deepEqual(await other.get(["alice"]), [entryOf(entry)]);
  }
});

test("when only the lease of some keys is revoked, the next renewal says that the life lapsed", async () => {
  const [storage, other] = etcd.makeStorages();
  const a = await livingHolder(storage, A);
  await storage.set(["alice"], a);
  for (const again of [false, true]) {
    await revokeLeaseOf("alice");
    assert.deepEqual(await other.get(["alice"]), [undefined]);
    // A claim that finds the lease gone takes another one.
    if (again) await claim(storage, "alice", a);
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, true);
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
    await claim(storage, "alice", a);
  }
});

async function revokeLeaseOf(id: string): Promise<void> {
  const { kvs } = await etcd.call("/v3/kv/range", { key: btoa(`${etcd.prefix}\xff${id}`) }) as {
    kvs: { lease: string }[];
  };
  await etcd.call("/v3/lease/revoke", { ID: kvs[0]?.lease });
}

test("a renewal is one keepalive for all leases and one transaction, however many keys there are", async () => {
  const [storage] = etcd.makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(storage, A);
  await storage.set(Array.from({ length: 2_500 }, (_, index) => `client-${index}`), a);
  etcd.calls.length = 0;
  await storage.renew(a, LONG_MS);
  assert.deepEqual(etcd.calls.map(({ name }) => name).sort(), ["keepalive", "txn"]);
  assert.equal(etcd.calls.find(({ name }) => name === "keepalive")?.body.split("\n").length, 4);
});

test("a node that leaves leaves nothing but the generation, and no lease", async () => {
  const [storage] = etcd.makeStorages();
  await etcd.revokeAll();
  const a = await livingHolder(storage, A);
  await storage.set(["alice", "bob"], a);
  await storage.subscribe("news", a);
  await storage.subscribers("sport", a);
  await storage.leave(a);
  assert.deepEqual(await keysWith(etcd.prefix), [`${etcd.prefix}\xff\xffgeneration`]);
  assert.deepEqual(await etcd.leases(), []);
});

async function keysWith(text: string): Promise<string[]> {
  return (await etcd.keys()).filter((key) => key.startsWith(etcd.prefix) && key.includes(text));
}

test("bad endpoints, credentials, prefix or holder are refused with invalid_argument", async () => {
  const bad: [config: unknown, prefix?: unknown][] = [
    [undefined],
    ["http://127.0.0.1"],
    [{}],
    [{ endpoints: [] }],
    [{ endpoints: "127.0.0.1:2379" }],
    [{ endpoints: "ftp://127.0.0.1" }],
    [{ endpoints: "http://user:word@127.0.0.1" }],
    [{ endpoints: ["http://127.0.0.1", ""] }],
    [{ endpoints: "http://127.0.0.1", username: "root" }],
    [{ endpoints: "http://127.0.0.1", timeoutMs: 0 }],
    [{ endpoints: "http://127.0.0.1", timeoutMs: "1000" }],
    [{ endpoints: "http://127.0.0.1" }, ""],
    [{ endpoints: "http://127.0.0.1" }, "\ud800"],
    [{ endpoints: "http://127.0.0.1" }, 1],
  ];
  for (const [config, prefix = "websocket"] of bad) {
    assert.throws(() => new EtcdStorage(config as EtcdConfig, prefix as string), withCode("invalid_argument"));
  }
  const [, storage] = etcd.makeStorages();
  for (const host of ["a b:1", "", "a:1\n", "é:1"]) {
    await assert.rejects(storage.renew({ host, life: "x" }, LONG_MS), withCode("invalid_argument"));
  }
  await assert.rejects(
    storage.set(["x".repeat(200_000)], await livingHolder(storage, B)),
    withCode("invalid_argument"),
  );
  assert.deepEqual(await listed(storage), []);
});
