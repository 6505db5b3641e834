import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { storageFaultContract } from "../contract/storage-faults.ts";
import { startFaultyRedisTcp } from "../kit/faulty-redis-tcp.ts";
import { CANARY } from "../kit/silent.ts";

storageFaultContract("redis over TCP", async () => {
  const redis = await startFaultyRedisTcp();
  const raw = (bytes: string) => () => new Response(bytes);
  return Object.assign(redis, {
    names: { claim: "set", renew: "renew" },
    makeNowhere: () => new RedisStorage("redis://127.0.0.1:1", "websocket", { timeoutMs: 5_000 }),
    sent: (name: string) => redis.seen.filter((one) => one === name).length,
    sends: 1,
    shortMs: 30,
    nonsense: [
      raw(`-ERR broken, with args beginning with: '${CANARY}'\r\n`),
      raw(`-WRONG "${CANARY}"\r\n`),
      raw(`HTTP/1.1 400 Bad Request\r\n\r\n<html>${CANARY}</html>\r\n`),
      raw("*1\r\n:5\r\n"),
      raw(`*1\r\n$${CANARY.length}\r\n${CANARY}\r\n`),
      raw("*0\r\n"),
      raw("*-1\r\n"),
      raw("$-1\r\n"),
      raw(":5\r\n"),
    ],
    granted: (answer: string) => !/late|again/.test(answer),
    async keysOf(life: string) {
      const keys = await redis.command("KEYS", `{${redis.prefix}}:*${life}*`);
      return Array.isArray(keys) ? keys.map(String) : [];
    },
  });
});
