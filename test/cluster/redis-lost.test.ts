import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dropAnswersOf, type FaultyRedis, startFaultyRedis } from "../kit/faulty-redis.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, claim, entryOf, livingHolder, LONG_MS, newHolder } from "../kit/storage.ts";

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
