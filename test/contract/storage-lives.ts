import assert from "node:assert/strict";
import {
  A,
  B,
  C,
  claim,
  entryOf,
  listed,
  livingHolder,
  LONG_MS,
  newHolder,
  type Promised,
  sorted,
  withCode,
} from "../kit/storage.ts";

/** What becomes of a life whose lease ended. */
export function deaths(promise: Promised): void {
  promise("a holder whose lease ended is absent for set, get, all, living and topics", async (storage, store) => {
    const a = await livingHolder(storage, A, store.shortMs);
    await storage.set(["alice"], a);
    await storage.subscribe("news", a);
    await storage.subscribers("sport", a);
    await store.untilLapsed(storage, a);
    const b = await livingHolder(storage, B);
    assert.deepEqual(await storage.get(["alice"]), [undefined]);
    assert.deepEqual(await listed(storage), []);
    assert.deepEqual(sorted(await storage.living()), sorted([b]));
    assert.deepEqual(await storage.subscribers("news"), []);
    assert.deepEqual(await storage.subscribe("sport", b), []);
    const [claimed] = await storage.set(["alice"], b, { ifAbsent: true });
    assert.ok(claimed?.claim !== undefined);
    assert.equal(claimed.previous, undefined);
  });

  promise("a life whose lease ended can write nothing until it renews", async (storage, store) => {
    const a = await livingHolder(storage, A, store.shortMs);
    await store.untilLapsed(storage, a);
    await assert.rejects(storage.set(["alice"], a), withCode("failed_precondition"));
    await assert.rejects(storage.subscribe("news", a), withCode("failed_precondition"));
    await assert.rejects(storage.subscribers("news", a), withCode("failed_precondition"));
  });

  promise("clear does nothing to a living life", async (storage) => {
    const a = await livingHolder(storage, A);
    const entry = await claim(storage, "alice", a);
    await storage.subscribe("news", a);
    assert.equal(await storage.clear(a), 0);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
    assert.deepEqual(sorted(await storage.subscribers("news")), sorted([a]));
  });

  promise("clear removes what a dead life left, and only that", async (storage, store) => {
    const a = await livingHolder(storage, A, store.shortMs);
    const b = await livingHolder(storage, B);
    await storage.set(["alice", "bob", "carol"], a);
    await storage.subscribe("news", a);
    const taken = await claim(storage, "bob", b);
    await store.untilLapsed(storage, a);
    assert.equal(await storage.clear(a), 2);
    assert.equal(await storage.clear(a), 0);
    assert.deepEqual(await listed(storage), [taken]);
    await storage.renew(a, LONG_MS);
    assert.deepEqual(await storage.get(["alice"]), [undefined]);
    assert.deepEqual(await storage.subscribers("news"), []);
  });

  promise("clear removes thousands of entries of a dead life", async (storage, store) => {
    const a = await livingHolder(storage, A);
    const ids = Array.from({ length: 2_345 }, (_, index) => `client-${index}`);
    await storage.set(ids, a);
    await storage.renew(a, store.shortMs);
    await store.untilLapsed(storage, a);
    assert.equal(await storage.clear(a), 2_345);
  });
}

/** How leases are taken and renewed. */
export function leases(promise: Promised): void {
  promise("the first renewal of a life says that it had no lease, the next that it had", async (storage) => {
    const a = newHolder(A);
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, true);
    const again = await storage.renew(a, LONG_MS);
    assert.equal(again.lapsed, false);
    assert.deepEqual(again.living, [a]);
  });

  promise("a renewal after a lapse says so", async (storage, store) => {
    const a = await livingHolder(storage, A, store.shortMs);
    await store.untilLapsed(storage, a);
    assert.equal((await storage.renew(a, LONG_MS)).lapsed, true);
  });

  promise("a renewal answers everyone who lives, and living() the same without taking a lease", async (storage) => {
    assert.deepEqual(await storage.living(), []);
    const [a, b] = [await livingHolder(storage, A), await livingHolder(storage, B)];
    const c = newHolder(C);
    const { living } = await storage.renew(c, LONG_MS);
    assert.deepEqual(sorted(living), sorted([a, b, c]));
    assert.deepEqual(sorted(await storage.living()), sorted([a, b, c]));
  });

  promise("a new life on a host ends the older one in the same step", async (storage) => {
    const old = await livingHolder(storage, A);
    const other = await livingHolder(storage, B);
    await storage.set(["alice"], old);
    await storage.subscribe("news", old);
    const young = newHolder(A);
    const { living, lapsed } = await storage.renew(young, LONG_MS);
    assert.equal(lapsed, true);
    assert.deepEqual(sorted(living), sorted([young, other]));
    assert.deepEqual(await storage.get(["alice"]), [undefined]);
    assert.deepEqual(await storage.subscribers("news"), []);
    await assert.rejects(storage.set(["alice"], old), withCode("failed_precondition"));
  });

  promise("a host that another's name begins with keeps its lease", async (storage) => {
    const hosts = ["10.0.0.1:80", "10.0.0.1:808", "110.0.0.1:80"];
    const holders = await Promise.all(hosts.map((host) => livingHolder(storage, host)));
    const { living } = await storage.renew(holders[0] ?? newHolder(), LONG_MS);
    assert.deepEqual(sorted(living), sorted(holders));
  });

  promise("a renewal says in the same step who holds the ids that it names, as get does", async (storage, store) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B, store.shortMs);
    const [alice, bob] = [await claim(storage, "alice", a), await claim(storage, "bob", b)];
    const ids = ["bob", "nobody", "alice", "bob"];
    const { entries } = await storage.renew(a, LONG_MS, { ids });
    assert.deepEqual(entries, [entryOf(bob), undefined, entryOf(alice), entryOf(bob)]);
    assert.deepEqual((await storage.renew(a, LONG_MS)).entries, []);
    await store.untilLapsed(storage, b);
    const later = await storage.renew(a, LONG_MS, { ids });
    assert.deepEqual(later.entries, [undefined, undefined, entryOf(alice), undefined]);
  });

  promise(
    "a renewal of a lapsed or a new life shows none of what its host's older life held",
    async (storage, store) => {
      const a = await livingHolder(storage, A, store.shortMs);
      await claim(storage, "alice", a);
      await store.untilLapsed(storage, a);
      const next = newHolder(A);
      assert.deepEqual((await storage.renew(next, LONG_MS, { ids: ["alice"] })).entries, [undefined]);
      const last = newHolder(A);
      const bob = await claim(storage, "bob", next);
      assert.deepEqual((await storage.renew(next, LONG_MS, { ids: ["bob"] })).entries, [entryOf(bob)]);
      assert.deepEqual((await storage.renew(last, LONG_MS, { ids: ["bob"] })).entries, [undefined]);
    },
  );

  promise("a renewal looks at 64 ids and refuses more", async (storage) => {
    const a = await livingHolder(storage, A);
    const ids = Array.from({ length: 65 }, (_, index) => `${index}`);
    const claimed = await storage.set(ids, a);
    const { entries } = await storage.renew(a, LONG_MS, { ids: ids.slice(1) });
    assert.deepEqual(entries.map((entry) => entry?.claim), claimed.slice(1).map((one) => one.claim));
    await assert.rejects(storage.renew(a, LONG_MS, { ids }), withCode("invalid_argument"));
  });

  promise("the generation stays while the store does, and changes when it was wiped", async (storage, store) => {
    const a = newHolder(A);
    const { generation } = await storage.renew(a, LONG_MS);
    assert.equal((await storage.renew(newHolder(B), LONG_MS)).generation, generation);
    await store.wipe();
    const after = await storage.renew(a, LONG_MS);
    assert.equal(after.lapsed, true);
    assert.notEqual(after.generation, generation);
  });

  promise("claims keep growing when the store was wiped", async (storage, store) => {
    const a = await livingHolder(storage, A);
    const before = await claim(storage, "alice", a);
    await store.wipe();
    await assert.rejects(storage.set(["alice"], a), withCode("failed_precondition"));
    await storage.renew(a, LONG_MS);
    const after = await claim(storage, "alice", a);
    assert.ok(after.claim > before.claim);
    assert.deepEqual(await storage.del([before]), [false]);
  });

  promise("a call whose signal is aborted already rejects as canceled and does nothing", async (storage) => {
    const a = await livingHolder(storage, A);
    const signal = AbortSignal.abort();
    await assert.rejects(storage.set(["alice"], a, { signal }), withCode("canceled"));
    await assert.rejects(storage.get(["alice"], { signal }), withCode("canceled"));
    await assert.rejects(storage.renew(a, LONG_MS, { signal }), withCode("canceled"));
    await assert.rejects(Array.fromAsync(storage.all({ signal })), withCode("canceled"));
    assert.deepEqual(await storage.get(["alice"]), [undefined]);
  });
}
