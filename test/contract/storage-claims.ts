import assert from "node:assert/strict";
import { randomId } from "../../src/base/random-id.ts";
import {
  A,
  B,
  C,
  claim,
  entryOf,
  listed,
  livingHolder,
  newHolder,
  type Promised,
  sorted,
  withCode,
} from "../kit/storage.ts";

/** How ids are claimed and found. */
export function claims(promise: Promised): void {
  promise("a claim is seen by everyone, under the holder's host and life", async (storage) => {
    const a = await livingHolder(storage, C);
    const entry = await claim(storage, "alice", a);
    assert.deepEqual(await storage.get(["alice", "bob"]), [entryOf(entry), undefined]);
  });

  promise("results stand in the order of the arguments", async (storage) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    const [first, second] = [await claim(storage, "1", a), await claim(storage, "2", b)];
    assert.deepEqual(
      await storage.get(["2", "x", "1", "2"]),
      [second, undefined, first, second].map((e) => e && entryOf(e)),
    );
    const claimed = await storage.set(["2", "x", "1"], a);
    assert.deepEqual(claimed.map(({ previous }) => previous), [entryOf(second), undefined, entryOf(first)]);
    const released = await storage.del([{ ...second }, { id: "1", ...a, claim: claimed[2]?.claim ?? 0n }]);
    assert.deepEqual(released, [false, true]);
  });

  promise("an id named twice in one call is claimed twice, in order", async (storage) => {
    const a = await livingHolder(storage, A);
    const [first, , second] = await storage.set(["alice", "bob", "alice"], a);
    assert.ok(first?.claim !== undefined && second?.claim !== undefined && second.claim > first.claim);
    assert.deepEqual(second.previous, { ...a, claim: first.claim });
    assert.deepEqual(await storage.get(["alice"]), [{ ...a, claim: second.claim }]);
  });

  promise("a call that names nothing does nothing", async (storage) => {
    const a = await livingHolder(storage, A);
    assert.deepEqual([await storage.set([], a), await storage.get([]), await storage.del([])], [[], [], []]);
  });

  promise("the newest claim wins and learns whom it replaced", async (storage) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    const old = await claim(storage, "alice", a);
    const [claimed] = await storage.set(["alice"], b);
    assert.deepEqual(claimed?.previous, entryOf(old));
    assert.ok(claimed.claim !== undefined && claimed.claim > old.claim);
    assert.deepEqual(await storage.get(["alice"]), [{ ...b, claim: claimed.claim }]);
  });

  promise("with ifAbsent a living holder keeps the id, and the caller learns who it is", async (storage) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    const held = await claim(storage, "alice", a);
    const [refused, granted] = await storage.set(["alice", "bob"], b, { ifAbsent: true });
    assert.deepEqual(refused, { claim: undefined, previous: entryOf(held) });
    assert.ok(granted?.claim !== undefined);
    assert.equal(granted.previous, undefined);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(held)]);
  });

  promise("with ifAbsent a life may claim again what it holds itself", async (storage) => {
    const a = await livingHolder(storage, A);
    const held = await claim(storage, "alice", a);
    const [again] = await storage.set(["alice"], a, { ifAbsent: true });
    assert.ok(again?.claim !== undefined && again.claim > held.claim);
    assert.deepEqual(again.previous, entryOf(held));
  });

  promise("claims on one id at the same moment get different numbers, and the largest holds it", async (storage) => {
    const holders = await Promise.all([A, B, C].map((host) => livingHolder(storage, host)));
    const sets = Array.from({ length: 30 }, (_, index) => storage.set(["alice"], holders[index % 3] ?? newHolder()));
    const numbers = (await Promise.all(sets)).map(([claimed]) => claimed?.claim ?? 0n);
    assert.equal(new Set(numbers).size, 30);
    const largest = numbers.reduce((one, other) => (other > one ? other : one));
    const [entry] = await storage.get(["alice"]);
    assert.equal(entry?.claim, largest);
    assert.equal(entry.life, holders[numbers.indexOf(largest) % 3]?.life);
  });

  promise("a life without a lease may not claim", async (storage) => {
    await assert.rejects(storage.set(["alice"], newHolder()), withCode("failed_precondition"));
    assert.deepEqual(await storage.get(["alice"]), [undefined]);
  });

  promise("5,000 ids in one call are claimed, found, listed and given up", async (storage) => {
    const a = await livingHolder(storage, A);
    const ids = Array.from({ length: 5_000 }, (_, index) => `client-${index}`);
    const claimed = await storage.set(ids, a);
    const numbers = claimed.map(({ claim: number }) => number ?? 0n);
    assert.ok(numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0n)));
    assert.deepEqual(await storage.get(ids), numbers.map((number) => ({ ...a, claim: number })));
    assert.deepEqual((await listed(storage)).map(({ id }) => id), ids.toSorted());
    const removed = await storage.del(ids.map((id, index) => ({ id, life: a.life, claim: numbers[index] ?? 0n })));
    assert.ok(removed.length === 5_000 && removed.every(Boolean));
    assert.deepEqual(await listed(storage), []);
  });
}

/** How claims are given up. */
export function releases(promise: Promised): void {
  promise("a late release never erases a newer claim", async (storage) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    const old = await claim(storage, "alice", a);
    const newer = await claim(storage, "alice", b);
    assert.deepEqual(await storage.del([old]), [false]);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(newer)]);
  });

  promise("a late release never erases a newer claim of the same life", async (storage) => {
    const a = await livingHolder(storage, A);
    const old = await claim(storage, "alice", a);
    const newer = await claim(storage, "alice", a);
    assert.deepEqual(await storage.del([old]), [false]);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(newer)]);
    await storage.leave(a);
    assert.deepEqual(await listed(storage), []);
  });

  promise("a release takes effect once", async (storage) => {
    const a = await livingHolder(storage, A);
    const entry = await claim(storage, "alice", a);
    assert.deepEqual(await storage.del([entry, entry]), [true, false]);
    assert.deepEqual(await storage.del([entry]), [false]);
    assert.deepEqual(await storage.get(["alice"]), [undefined]);
  });

  promise("a release of another life or another number removes nothing", async (storage) => {
    const a = await livingHolder(storage, A);
    const entry = await claim(storage, "alice", a);
    const wrong = [{ ...entry, life: randomId() }, { ...entry, claim: entry.claim + 1n }, { ...entry, id: "bob" }];
    assert.deepEqual(await storage.del(wrong), [false, false, false]);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  });

  promise("a node that leaves takes its entries, its interest and its lease along", async (storage) => {
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    await storage.set(["alice", "bob"], a);
    const carol = await claim(storage, "carol", b);
    await storage.subscribe("news", a);
    await storage.subscribers("sport", a);
    await storage.leave(a);
    assert.deepEqual(await listed(storage), [carol]);
    assert.deepEqual(sorted(await storage.living()), sorted([b]));
    assert.deepEqual(await storage.subscribers("news"), []);
    assert.deepEqual(await storage.subscribe("sport", b), []);
    await assert.rejects(storage.set(["alice"], a), withCode("failed_precondition"));
  });
}
