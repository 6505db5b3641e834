import { after, before } from "node:test";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { storageContract } from "../contract/storage.ts";
import { storageHistories } from "../contract/storage-histories.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import type { StoreUnderTest } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let redis: TestRedisServer;
let stores = 0;

before(async () => {
  redis = await startRedisServer();
});

after(async () => {
  await redis.stop();
});

function makeStore(): StoreUnderTest {
  const store = `store-${stores++}-`;
  return {
    shortMs: 300,
    open: (prefix) => new RedisStorage(`redis://127.0.0.1:${redis.port}`, store + prefix, { timeoutMs: 5_000 }),
    async untilLapsed(storage, { life }) {
      await until("the lease to end", async () => (await storage.living()).every((holder) => holder.life !== life));
    },
    async wipe() {
      await redis.command("FLUSHALL");
    },
  };
}

storageContract("Redis over TCP", makeStore);
storageHistories("Redis over TCP", makeStore, { runs: 40 });
