/** A minute of two idle nodes at a Redis over TCP. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { TestClient } from "../kit/client.ts";
import { startFaultyRedisTcp } from "../kit/faulty-redis-tcp.ts";
import { loadServe } from "../kit/servers.ts";

const redis = await startFaultyRedisTcp();

after(async () => {
  await redis.stop();
});

/** The renewals of two nodes in a minute, with the default lease of 15 s. */
const RENEWALS = { least: 20, most: 30 };

test("an idle minute of two nodes costs two commands at most besides the renewals of their leases", {
  timeout: 120_000,
}, async () => {
  const serve = await loadServe();
  const hubs = [0, 1].map(() => {
    return new DistHub({ storage: new RedisStorage(redis.url, "idle", { timeoutMs: 5_000 }), logger: silentLogger });
  });
  const session: SessionFactory = () => ({
    onConnect: async (client) => {
      await client.subscribe("news");
      await client.emit("ready");
    },
  });
  const rpc = { hostname: "127.0.0.1" };
  const servers = await Promise.all(hubs.map((hub) => serve(hub, { port: 0, hostname: "127.0.0.1", rpc, session })));
  const clients = await Promise.all(servers.map(({ url }) => TestClient.open(url.replace("http", "ws"))));
  for (const client of clients) assert.equal(await client.next(), "ready");
  assert.equal((await hubs[0]?.publish("news", "warm"))?.delivered, 2);
  redis.seen.length = 0;
  await new Promise((resolve) => setTimeout(resolve, 60_000));
  const seen = [...redis.seen];
  const renewals = seen.filter((name) => name === "renew").length;
  assert.ok(renewals >= RENEWALS.least && renewals <= RENEWALS.most, `${renewals} renewals`);
  assert.ok(seen.length - renewals <= 2, seen.filter((name) => name !== "renew").join(" "));
  for (const client of clients) await client.close();
  for (const server of servers) await server.close();
});
