import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dropAnswersOf, type FaultyEtcd, startFaultyEtcd } from "../kit/faulty-etcd.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, claim, entryOf, livingHolder } from "../kit/storage.ts";

let etcd: FaultyEtcd;

before(async () => {
  etcd = await startFaultyEtcd();
});

after(async () => {
  await etcd.stop();
});

function sent(name: string): number {
  return etcd.calls.filter((call) => call.name === name).length;
}

test("a claim is read back although the answer of the first reading was lost too", async () => {
  const [storage, other] = etcd.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const old = await claim(other, "alice", b);
  await claim(storage, "warm", a);
  const [dropClaim, dropTouch] = [dropAnswersOf("claim", 1), dropAnswersOf("touch", 1)];
  etcd.fault = (name, forward) => (name === "touch" ? dropTouch : dropClaim)(name, forward);
  const [alice] = await storage.set(["alice"], a);
  etcd.fault = undefined;
  assert.deepEqual(alice?.previous, entryOf(old));
  assert.deepEqual(await other.get(["alice"]), [{ ...a, claim: alice.claim }]);
});

test("a claim that certainly did not reach the storage is made once more", async () => {
  const [storage, other] = etcd.makeStorages();
  const a = await livingHolder(other, A);
  const held = await claim(storage, CANARY, a);
  let lost = 1;
  etcd.calls.length = 0;
  etcd.fault = async (name, forward) => {
    if (name === "claim" && lost-- > 0) throw new TypeError("the request is lost");
    return forward();
  };
  const [claimed] = await storage.set([CANARY], a);
  assert.deepEqual(claimed?.previous, entryOf(held));
  assert.equal(sent("claim"), 2);
  lost = Infinity;
  await fails(storage.set([CANARY], a));
  etcd.fault = undefined;
  assert.deepEqual(await other.get([CANARY]), [{ ...a, claim: claimed.claim }]);
});

test("two storages of one life do not undo each other's claims", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(other, A);
  const rounds = Array.from({ length: 10 }, (_, index) => index);
  for (const index of rounds) await Promise.all([claim(storage, `one-${index}`, a), claim(other, `two-${index}`, a)]);
  const entries = await other.get(rounds.flatMap((index) => [`one-${index}`, `two-${index}`]));
  assert.ok(entries.every((entry) => entry?.life === a.life));
});
