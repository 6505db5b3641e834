import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Entry } from "../../src/storage/storage.ts";
import { dropAnswersOf, type FaultyEtcd, startFaultyEtcd } from "../kit/faulty-etcd.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, C, claim, entryOf, livingHolder, withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

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

test("a claim whose answer was lost is read back, with the holder that it replaced, and not repeated", async () => {
  const [storage, other] = etcd.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const old = await claim(other, "alice", b);
  const warm = await claim(storage, "warm", a);
  etcd.calls.length = 0;
  etcd.fault = dropAnswersOf("claim");
  const [alice, bob, again] = await storage.set(["alice", "bob", "alice"], a);
  etcd.fault = undefined;
  // The second time an id stands in a call it is a claim of its own.
  assert.equal(sent("claim"), 2);
  assert.ok(alice?.claim && bob?.claim && again?.claim);
  assert.ok(warm.claim < alice.claim && alice.claim === bob.claim && bob.claim < again.claim);
  assert.deepEqual(alice.previous, entryOf(old));
  assert.equal(bob.previous, undefined);
  assert.deepEqual(again.previous, { ...a, claim: alice.claim });
  assert.deepEqual(await other.get(["alice", "bob"]), [{ ...a, claim: again.claim }, { ...a, claim: bob.claim }]);
  assert.deepEqual(await storage.del([{ id: "bob", ...a, claim: bob.claim }]), [true]);
});

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

test("a claim that another node replaced before it was read back is told as granted, with the older number", async () => {
  const [storage, other] = etcd.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  await claim(storage, "warm", a);
  let newer: Entry | undefined;
  etcd.fault = async (name, forward) => {
    const response = await forward();
    if (name !== "claim") return response;
    newer = entryOf(await claim(other, "alice", b));
    throw new TypeError("the answer is lost");
  };
  const [claimed] = await storage.set(["alice"], a);
  assert.ok(claimed?.claim && newer && claimed.claim < newer.claim);
  assert.deepEqual(await other.get(["alice"]), [newer]);
});

test("a claim that the network repeats later takes effect once", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  const [a, b, c] = [await livingHolder(other, A), await livingHolder(other, B), await livingHolder(other, C)];
  const old = await claim(other, "alice", c);
  await claim(storage, "warm", a);
  let newer: Entry | undefined;
  etcd.fault = async (_name, forward) => {
    etcd.fault = undefined;
    await (await forward()).body?.cancel();
    newer = entryOf(await claim(other, "alice", b));
    return forward();
  };
  const [claimed] = await storage.set(["alice"], a);
  assert.deepEqual(await other.get(["alice"]), [newer]);
  assert.deepEqual(claimed?.previous, entryOf(old));
  assert.ok(claimed?.claim && newer && old.claim < claimed.claim && claimed.claim < newer.claim);
});

test("an ifAbsent claim whose answer was lost tells what was granted from what was refused", async () => {
  const [storage, other] = etcd.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const held = await claim(other, "alice", b);
  const own = await claim(storage, "own", a);
  etcd.fault = dropAnswersOf("claim");
  const [refused, granted, again] = await storage.set(["alice", "bob", "own"], a, { ifAbsent: true });
  etcd.fault = undefined;
  assert.deepEqual(refused, { claim: undefined, previous: entryOf(held) });
  assert.deepEqual(again?.previous, entryOf(own));
  assert.deepEqual(await other.get(["bob"]), [{ ...a, claim: granted?.claim }]);
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

test("a claim held up on its way for longer than its timeout never takes effect", async () => {
  const [storage, other] = etcd.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  await claim(storage, "warm", a);
  const gate = Promise.withResolvers<void>();
  const late: Promise<string>[] = [];
  etcd.fault = (name, forward) => {
    if (name !== "claim") return forward();
    const response = gate.promise.then(forward);
    late.push(response.then((answer) => answer.clone().text()));
    return response;
  };
  await fails(storage.set([CANARY], a));
  gate.resolve();
  const answers = await Promise.all(late);
  assert.ok(answers.length > 0 && answers.every((answer) => !answer.includes("succeeded")));
  etcd.fault = undefined;
  const [claimed] = await other.set([CANARY], b);
  assert.equal(claimed?.previous, undefined);
});

test("two storages of one life do not undo each other's claims", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(other, A);
  const rounds = Array.from({ length: 10 }, (_, index) => index);
  for (const index of rounds) await Promise.all([claim(storage, `one-${index}`, a), claim(other, `two-${index}`, a)]);
  const entries = await other.get(rounds.flatMap((index) => [`one-${index}`, `two-${index}`]));
  assert.ok(entries.every((entry) => entry?.life === a.life));
});

test("a caller's signal ends the wait at once, and what the claim was granted is given back", async () => {
  const [storage, other] = etcd.makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(other, A);
  const [arrived, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  etcd.fault = async (name, forward) => {
    const response = await forward();
    if (name !== "claim") return response;
    arrived.resolve();
    await gate.promise;
    return response;
  };
  const stop = new AbortController();
  const setting = storage.set(["alice"], a, { signal: stop.signal });
  await arrived.promise;
  stop.abort();
  await assert.rejects(setting, withCode("canceled"));
  gate.resolve();
  await until("the claim to be given back", async () => (await other.get(["alice"]))[0] === undefined);
});
