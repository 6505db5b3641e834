import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { storageFaultContract } from "../contract/storage-faults.ts";
import { startFaultyRedis } from "../kit/faulty-redis.ts";
import { CANARY } from "../kit/silent.ts";

storageFaultContract("redis", async () => {
  const redis = await startFaultyRedis();
  return Object.assign(redis, {
    names: { claim: "set", renew: "renew" },
    makeNowhere: () =>
      new RedisStorage({ url: "http://127.0.0.1:1", token: "token" }, "websocket", { timeoutMs: 5_000 }),
    sent: (name: string) => redis.counts()[name] ?? 0,
    // Deno's own fetch sends a request once more when a reused connection ends before the answer; nothing of ours repeats one.
    sends: "Deno" in globalThis ? 2 : 1,
    shortMs: 30,
    nonsense: [
      () => Response.json({ error: `ERR broken, command was ${CANARY}` }, { status: 500 }),
      () => new Response(`<html>${CANARY}</html>`, { status: 502 }),
      () => new Response(`<html>${CANARY}</html>`, { status: 200 }),
      () => Response.json({ error: "ERR broken" }),
      () => Response.json({ result: 5 }),
    ],
    granted: (answer: string) => !/late|again/.test(answer),
    async keysOf(life: string) {
      const keys = await redis.command("KEYS", `{${redis.prefix}}:*${life}*`);
      return Array.isArray(keys) ? keys.map(String) : [];
    },
  });
});
