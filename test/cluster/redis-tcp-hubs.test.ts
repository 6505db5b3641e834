/** Nodes over a Redis that they reach by TCP: what a message and an idle minute cost, and what a node says to a Redis that is unfit. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { errorCode } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Server } from "../../src/hub/serve-options.ts";
import { RedisStorage, type RedisTarget } from "../../src/storage/redis/redis.ts";
import { TestClient } from "../kit/client.ts";
import { startRedis, startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const serve = await loadServe();
let redis: TestRedisServer;

before(async () => {
  redis = await startRedisServer();
});

after(async () => {
  await redis.stop();
});

function urlOf({ port }: TestRedisServer): string {
  return `redis://127.0.0.1:${port}`;
}

function start(hub: DistHub): Promise<Server> {
  return serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    rpc: { hostname: "127.0.0.1" },
    session: (request) => ({
      id: new URL(request.url).searchParams.get("id") ?? undefined,
      onConnect: (client) => client.subscribe("news").then(() => void client.emit("ready")),
    }),
  });
}

/** Two nodes, with a client at each: "a" and "b", both on the topic "news". */
async function withNodes(
  server: TestRedisServer,
  leaseMs: number,
  run: (hubs: [DistHub, DistHub], clients: [TestClient, TestClient]) => Promise<void>,
): Promise<void> {
  const storages = [0, 1].map(() => new RedisStorage(urlOf(server), "hubs", { timeoutMs: 3_000 }));
  const hubs = storages.map((storage) => new DistHub({ storage, leaseMs, logger: silentLogger }));
  const servers = await Promise.all(hubs.map(start));
  const clients = await Promise.all(["a", "b"].map(async (id, index) => {
    const client = await TestClient.open(`${servers[index]?.url.replace("http", "ws")}/?id=${id}`);
    assert.equal(await client.next(), "ready");
    return client;
  }));
  try {
    await run(hubs as [DistHub, DistHub], clients as [TestClient, TestClient]);
  } finally {
    await Promise.all(servers.map((one) => one.close()));
    await Promise.all(storages.map((storage) => storage.close()));
  }
}

/** Scripts that the server ran so far: every command of a storage is one. */
async function scriptsAt(server: TestRedisServer): Promise<number> {
  const info = String(await server.command("INFO", "commandstats"));
  const calls = [...info.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].map(([, count]) => Number(count));
  return calls.reduce((sum, count) => sum + count, 0);
}

async function commandsAt(server: TestRedisServer): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(String(await server.command("INFO", "stats")))?.[1]);
}

test("messages by id, by topic and to all cost no command, and neither does an idle node besides renewals", async () => {
  await withNodes(redis, 600_000, async ([one], [a, b]) => {
    assert.equal(await one.emit("b", "warm"), true);
    await one.publish("news", "warm");
    for (const client of [a, b]) await until("the warm messages", async () => (await client.next()) === "warm");
    await b.next();
    const scripts = await scriptsAt(redis);
    for (let index = 0; index < 200; index++) assert.equal(await one.emit("b", String(index)), true);
    for (let index = 0; index < 50; index++) assert.equal((await one.publish("news", "n")).delivered, 2);
    assert.equal((await one.broadcast("all")).delivered, 2);
    assert.equal(await scriptsAt(redis), scripts);
    const commands = await commandsAt(redis);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    // The one that asks counts itself.
    assert.equal(await commandsAt(redis) - commands, 1);
  });
});

test("when Redis is stopped, clients stay and messages go on, and when it is back everything is claimed again", async () => {
  const first = await startRedisServer();
  let second: TestRedisServer | undefined;
  await withNodes(first, 3_000, async ([one, two], [a, b]) => {
    assert.equal(await one.emit("b", "before"), true);
    assert.equal(await b.next(), "before");
    await first.stop();
    assert.equal(await one.emit("b", "meanwhile"), true);
    assert.equal(await b.next(), "meanwhile");
    second = await startRedisServer([], first.port);
    const other = new RedisStorage(urlOf(second), "hubs", { timeoutMs: 3_000 });
    await until(
      "both claims to be back",
      async () => (await other.get(["a", "b"]).catch(() => [undefined])).every((entry) => entry !== undefined),
    );
    assert.equal(await two.emit("a", "after"), true);
    assert.equal(await a.next(), "after");
    await other.close();
  });
  await second?.stop();
});

const UNFIT: readonly (readonly [what: string, args: () => string[], code: string, says: RegExp])[] = [
  [
    "evicts keys",
    () => ["--maxmemory", "50mb", "--maxmemory-policy", "volatile-lru"],
    "failed_precondition",
    /noeviction/,
  ],
  ["is a replica", () => ["--replicaof", `127.0.0.1 ${redis.port}`], "unavailable", /primary/],
  ["is full", () => ["--maxmemory", "1"], "unavailable", /maxmemory/],
];

for (const [what, args, code, says] of UNFIT) {
  test(`a node does not become ready on a Redis that ${what}, over both ways, and says which and what to change`, async () => {
    const unfit = await startRedisServer(args());
    const endpoint = await startRedis({ behind: unfit });
    const targets: readonly [RedisTarget, string][] = [
      [urlOf(unfit), `127.0.0.1:${unfit.port}`],
      [{ url: endpoint.url, token: endpoint.token }, new URL(endpoint.url).host],
    ];
    for (const [target, host] of targets) {
      const storage = new RedisStorage(target, "unfit", { timeoutMs: 3_000 });
      const hub = new DistHub({ storage, logger: silentLogger });
      await assert.rejects(start(hub), (error: Error) => {
        assert.match(error.message, says);
        assert.ok(error.message.includes(host), error.message);
        return errorCode(error) === code;
      });
      assert.notEqual(hub.status, "ready");
      const [finding] = await storage.check();
      assert.ok(finding && says.test(`${finding.text} ${finding.fix}`) && finding.text.includes(host));
      await storage.close();
    }
    await endpoint.stop();
  });
}
