import { after, before } from "node:test";
import { RedisHistory } from "../../src/history/redis.ts";
import { historyContract } from "../contract/history.ts";
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
