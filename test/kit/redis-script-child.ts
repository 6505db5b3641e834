/** A script that uses a Redis over TCP, closes nothing, and ends. */
import process from "node:process";
import { RedisStorage } from "../../src/storage/redis/redis.ts";

const storage = new RedisStorage(process.env["TEST_REDIS_URL"] ?? "");
await storage.renew({ host: "10.0.0.1:8081", life: "life" }, 60_000);
console.log(`done, ${(await storage.living()).length} living`);
