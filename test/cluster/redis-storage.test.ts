import { after, before } from "node:test";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { storageContract } from "../contract/storage.ts";
import { storageHistories } from "../contract/storage-histories.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import type { StoreUnderTest } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let redis: TestRedis;
let stores = 0;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

function makeStore(): StoreUnderTest {
  const store = `store-${stores++}-`;
  return {
    shortMs: 300,
    open: (prefix) => new RedisStorage(redis.target, store + prefix, { timeoutMs: 5_000 }),
    async untilLapsed(storage, { life }) {
      await until("the lease to end", async () => (await storage.living()).every((holder) => holder.life !== life));
    },
    wipe: () => redis.flush(),
  };
}

storageContract("Redis", makeStore);
storageHistories("Redis", makeStore, { runs: 40 });
