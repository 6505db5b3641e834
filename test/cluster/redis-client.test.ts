import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Redis } from "@upstash/redis";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { A, claim, entryOf, listed, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";

let redis: TestRedis;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

const safe = {
  retry: { retries: 0 },
  signal: () => AbortSignal.timeout(1_000),
  automaticDeserialization: false,
  enableTelemetry: false,
};

function clientWith(config: object): Redis {
  return new Redis({ url: redis.url, token: redis.token, ...safe, ...config });
}

const unsafe: readonly (readonly [string, object, RegExp])[] = [
  ["retries by default", { retry: undefined }, /repeats commands/],
  ["retries once, as `retry: false` does", { retry: false }, /repeats commands/],
  ["has no timeout", { signal: undefined }, /no timeout/],
  ["has one signal for all its requests", { signal: new AbortController().signal }, /no timeout/],
  ["has a signal function that gives no signal", { signal: () => undefined }, /no timeout/],
  ["changes types", { automaticDeserialization: true }, /type of answers/],
];

for (const [what, config, reason] of unsafe) {
  test(`a client that ${what} is refused with the reason, at every call`, async () => {
    const storage = new RedisStorage(clientWith(config), "refused");
    for (let round = 0; round < 2; round++) {
      await assert.rejects(storage.renew(newHolder(A), LONG_MS), (error: Error) => {
        assert.match(error.message, reason);
        return withCode("failed_precondition")(error);
      });
    }
    assert.equal(await redis.command("EXISTS", "{refused}:leases"), 0);
  });
}

test("a client that cannot be looked into is refused", async () => {
  const requester = { request: () => Promise.resolve({ result: "123" }) };
  const storage = new RedisStorage(new Redis(requester as unknown as { url: string; token: string }));
  await assert.rejects(storage.renew(newHolder(A), LONG_MS), withCode("failed_precondition"));
});

for (
  const [what, config] of [
    ["pipelines by itself", {}],
    ["does not pipeline", { enableAutoPipelining: false }],
    ["asks for plain answers", { responseEncoding: false, enableAutoPipelining: false }],
  ] as const
) {
  test(`a safe client that ${what} is taken, and ids round-trip through it`, async () => {
    const storage = new RedisStorage(clientWith(config), what);
    const a = await livingHolder(storage, A);
    const ids = ["123", "true", "null", "OK", "\ufeffbom", "😀", "\0", '"x"'];
    const claimed = await storage.set(ids, a);
    assert.deepEqual(await storage.get(ids), claimed.map(({ claim: number }) => ({ ...a, claim: number })));
    assert.deepEqual((await listed(storage)).map(({ id }) => id), ids.toSorted());
    await storage.leave(a);
    assert.deepEqual(await listed(storage), []);
  });
}

test("a probe that could not reach the storage is repeated by the next call", async () => {
  let signal = AbortSignal.abort();
  const storage = new RedisStorage(clientWith({ signal: () => signal }), "probe");
  await assert.rejects(storage.living(), withCode("unavailable"));
  signal = AbortSignal.timeout(5_000);
  const entry = await claim(storage, "alice", await livingHolder(storage, A));
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
});

test("the steady state is one request for each operation", async () => {
  const storage = new RedisStorage(redis.target, "steady");
  const a = await livingHolder(storage, A);
  const once = async (): Promise<void> => {
    const entry = await claim(storage, "alice", a);
    await storage.get(["alice"]);
    await storage.renew(a, LONG_MS);
    await storage.subscribe("news", a);
    await storage.subscribers("news", a);
    await storage.unsubscribe("news", a);
    await storage.living();
    await listed(storage);
    await storage.del([entry]);
  };
  await once();
  redis.commands.length = 0;
  await once();
  assert.equal(redis.commands.length, 9);
  assert.deepEqual(redis.counts(), {
    set: 1,
    get: 1,
    renew: 1,
    subscribe: 1,
    subscribers: 1,
    unsubscribe: 1,
    living: 1,
    all: 1,
    del: 1,
  });
});
