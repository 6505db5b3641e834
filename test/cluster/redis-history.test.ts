import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KEYS_MS } from "../../src/history/history.ts";
import { RedisHistory } from "../../src/history/redis.ts";
import { historyContract, WIDE } from "../contract/history.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";

let redis: TestRedis;
let stores = 0;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

const WAYS = {
  "Redis history over TCP": () => `redis://127.0.0.1:${redis.port}`,
  "Redis history over HTTP": () => ({ url: redis.url, token: redis.token }),
} as const;

for (const [name, target] of Object.entries(WAYS)) {
  historyContract(name, () => {
    const store = `store-${stores++}-`;
    return {
      open: (prefix) => new RedisHistory(target(), store + prefix, { timeoutMs: 5_000 }),
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      wipe: () => redis.flush(),
    };
  });
}

test("Redis history: keys end 5 minutes after the last message with a key", async () => {
  const history = new RedisHistory(`redis://127.0.0.1:${redis.port}`, "keys", { timeoutMs: 5_000 });
  const append = (key?: string): Promise<unknown> => history.append("room", [{ data: "", key }], WIDE);
  await append("a");
  const left = async (): Promise<number> => Number(await redis.command("PTTL", "{keys}:keys:room"));
  assert.ok(await left() > KEYS_MS - 60_000 && await left() <= KEYS_MS);
  await redis.command("PEXPIRE", "{keys}:keys:room", "1000");
  await append();
  assert.ok(await left() <= 1_000);
  await append("a");
  assert.ok(await left() > 1_000);
  await history.close();
});
