import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Entry } from "../../src/storage/storage.ts";
import { dropAnswersOf, type FaultyRedis, startFaultyRedis } from "../kit/faulty-redis.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, C, claim, entryOf, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let redis: FaultyRedis;

before(async () => {
  redis = await startFaultyRedis();
});

after(async () => {
  await redis.stop();
});

/** Deno's own fetch sends a request once more when a reused connection ends before the answer; nothing of ours repeats one. */
const SENDS: number = "Deno" in globalThis ? 2 : 1;

test("no command is sent again when its answer is lost", async () => {
  const [storage, other] = redis.makeStorages();
  const a = await livingHolder(other, A);
  const entry = await claim(other, CANARY, a);
  for (const name of ["renew", "del", "get", "subscribe"]) {
    await storage.get(["warm"]);
    redis.commands.length = 0;
    redis.fault = dropAnswersOf(name);
    if (name === "renew") await fails(storage.renew(a, LONG_MS));
    if (name === "del") await fails(storage.del([entry]));
    if (name === "get") await fails(storage.get([CANARY]));
    if (name === "subscribe") await fails(storage.subscribe(CANARY, a));
    redis.fault = undefined;
    const unknown = redis.commands.some(([verb]) => verb === "eval") ? 1 : 0;
    assert.ok(redis.commands.length - unknown <= SENDS, name);
  }
});

test("a claim whose answer was lost is read back, with the holder that it replaced, and not repeated", async () => {
  const [storage, other] = redis.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const old = await claim(other, "alice", b);
  const warm = await claim(storage, "warm", a);
  redis.commands.length = 0;
  redis.fault = dropAnswersOf("set");
  const [alice, bob, again] = await storage.set(["alice", "bob", "alice"], a);
  redis.fault = undefined;
  assert.ok((redis.counts()["set"] ?? 0) <= SENDS);
  assert.ok(alice?.claim && bob?.claim && again?.claim);
  assert.ok(warm.claim < alice.claim && alice.claim < bob.claim && bob.claim < again.claim);
  assert.deepEqual(alice.previous, entryOf(old));
  assert.equal(bob.previous, undefined);
  assert.deepEqual(again.previous, { ...a, claim: alice.claim });
  assert.deepEqual(await other.get(["alice", "bob"]), [{ ...a, claim: again.claim }, { ...a, claim: bob.claim }]);
});

test("a claim that the network repeats later takes effect once", async () => {
  const [storage, other] = redis.makeStorages({ timeoutMs: 5_000 });
  const [a, b, c] = [await livingHolder(other, A), await livingHolder(other, B), await livingHolder(other, C)];
  const old = await claim(other, "alice", c);
  let newer: Entry | undefined;
  redis.fault = async (_name, forward) => {
    redis.fault = undefined;
    await forward();
    newer = entryOf(await claim(other, "alice", b));
    return forward();
  };
  const [claimed] = await storage.set(["alice"], a);
  assert.deepEqual(await other.get(["alice"]), [newer]);
  assert.ok(claimed?.claim && newer && old.claim < claimed.claim && claimed.claim < newer.claim);
});

test("a lapse is told even if the answer that told of it first was lost", async () => {
  const [storage, other] = redis.makeStorages();
  const a = newHolder(A);
  await storage.renew(a, 30);
  assert.equal((await storage.renew(a, 30)).lapsed, false);
  await until("the lease to end", async () => (await other.living()).length === 0);
  redis.fault = dropAnswersOf("renew");
  await fails(storage.renew(a, LONG_MS));
  redis.fault = undefined;
  assert.equal((await storage.renew(a, LONG_MS)).lapsed, true);
  assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
});

test("an ifAbsent claim whose answer was lost tells what was granted from what was refused", async () => {
  const [storage, other] = redis.makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const held = await claim(other, "alice", b);
  await claim(storage, "warm", a);
  redis.fault = dropAnswersOf("set");
  const [refused, granted] = await storage.set(["alice", "bob"], a, { ifAbsent: true });
  redis.fault = undefined;
  assert.deepEqual(refused, { claim: undefined, previous: entryOf(held) });
  assert.deepEqual(await other.get(["bob"]), [{ ...a, claim: granted?.claim }]);
});

test("a claim that never reached the storage rejects, even where the same life holds the id by an earlier claim", async () => {
  const [storage, other] = redis.makeStorages();
  const a = await livingHolder(other, A);
  const held = await claim(storage, CANARY, a);
  redis.fault = async (name, forward) => {
    if (name === "set") throw new Error("the request is lost");
    return forward();
  };
  await fails(storage.set([CANARY], a));
  redis.fault = undefined;
  assert.deepEqual(await other.get([CANARY]), [entryOf(held)]);
});

test("a claim held up on its way for longer than its timeout never takes effect", async () => {
  const [storage, other] = redis.makeStorages();
  const [a, b] = [newHolder(A), await livingHolder(other, B)];
  await storage.renew(a, LONG_MS);
  await claim(storage, "warm", a);
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<string>();
  redis.fault = async (name, forward) => {
    if (name !== "set") return forward();
    await gate.promise;
    const response = await forward();
    arrived.resolve(await response.clone().text());
    return response;
  };
  await fails(storage.set([CANARY], a));
  gate.resolve();
  assert.match(await arrived.promise, /late|again/);
  redis.fault = undefined;
  const [claimed] = await other.set([CANARY], b);
  assert.equal(claimed?.previous, undefined);
});

test("a storage whose clock is set forward refuses one attempt and no claim", async () => {
  const [storage, other] = redis.makeStorages();
  const a = newHolder(A);
  await storage.renew(a, LONG_MS);
  await other.set(["warm"], a).catch(() => {});
  redis.fault = async (name, forward) => {
    const response = await forward();
    if (name !== "renew") return response;
    const { result } = (await response.json()) as { result: string[] };
    result[2] = String(Number(result[2]) - 3_600_000);
    return Response.json({ result });
  };
  await storage.renew(a, LONG_MS);
  redis.fault = undefined;
  redis.commands.length = 0;
  const entry = await claim(storage, "alice", a);
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  assert.equal(redis.counts()["set"], 2);
});

test("a caller's signal ends the wait at once, and what the claim was granted is given back", async () => {
  const [storage, other] = redis.makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(other, A);
  const [arrived, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  redis.fault = async (name, forward) => {
    const response = await forward();
    if (name !== "set") return response;
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
