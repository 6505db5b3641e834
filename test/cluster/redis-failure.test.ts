import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import type { Holder } from "../../src/storage/storage.ts";
import { type FaultyRedis, startFaultyRedis } from "../kit/faulty-redis.ts";
import { A, B, claim, listed, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let redis: FaultyRedis;

before(async () => {
  redis = await startFaultyRedis();
});

after(async () => {
  await redis.stop();
});

test("a wrong token makes calls reject as unavailable, and says why", async () => {
  redis.makeStorages();
  const storage = new RedisStorage({ url: redis.url, token: "wrong" });
  await assert.rejects(storage.renew(newHolder(A), LONG_MS), (error: Error) => {
    assert.match(error.message, /refused the token/);
    return withCode("unavailable")(error);
  });
});

test("what a life left that nobody cleared is cleared by any node's renewal", async () => {
  const [, other] = redis.makeStorages();
  const orphan = newHolder(A);
  await leaveOrphan(other, orphan);
  await other.renew(orphan, 30);
  await until("the lease to end", async () => (await other.living()).length === 0);
  const storage = new RedisStorage(redis.target, redis.prefix, { timeoutMs: 5_000, orphanAfterMs: 0 });
  await storage.renew(newHolder(B), LONG_MS);
  await until("the orphan to be cleared", async () => (await keysOf("held")) === 0);
  assert.deepEqual(await listed(storage), []);
  assert.equal(await redis.command("ZCARD", `{${redis.prefix}}:leases`), 1);
});

async function leaveOrphan(storage: RedisStorage, holder: Holder): Promise<void> {
  await storage.renew(holder, LONG_MS);
  await storage.set(["alice", "bob"], holder);
  await storage.subscribe("news", holder);
}

async function keysOf(kind: string): Promise<number> {
  const keys = await redis.command("KEYS", `{${redis.prefix}}:${kind}*`);
  return Array.isArray(keys) ? keys.length : -1;
}

test("a release leaves nothing in the index of its life, even when another life took the id", async () => {
  const [, storage] = redis.makeStorages();
  const a = await livingHolder(storage, A);
  const [kept, taken] = [await claim(storage, "alice", a), await claim(storage, "bob", a)];
  await claim(storage, "bob", await livingHolder(storage, B));
  await storage.del([kept, taken]);
  assert.equal(await redis.command("EXISTS", `{${redis.prefix}}:held:${a.life}`), 0);
});

test("a script that the server forgot is sent again, and each call is one request otherwise", async () => {
  const [, storage] = redis.makeStorages();
  const a = await livingHolder(storage, A);
  await storage.set(["alice"], a);
  await storage.get(["alice"]);
  await redis.command("SCRIPT", "FLUSH");
  await storage.get(["alice"]);
  redis.commands.length = 0;
  for (let round = 0; round < 10; round++) await storage.get(["alice"]);
  assert.deepEqual(redis.commands.map(([verb]) => verb), Array.from({ length: 10 }, () => "evalsha"));
});

const OTHERS: readonly (readonly [what: string, body: string, status: number])[] = [
  ["a page", "<html><body>Welcome</body></html>", 200],
  ["a page of a gateway", "<html><body>502 Bad Gateway</body></html>", 502],
  ["JSON of another shape", '{"status":"ok"}', 200],
  ["a JSON array", '["a","b"]', 200],
  ["a result of another shape", '{"result":["a"]}', 200],
  ["a JSON error of another program", '{"message":"not found"}', 404],
];

test("another program at the URL makes calls reject as unavailable, and names the host", async () => {
  for (const [what, body, status] of OTHERS) {
    const server = createServer((_request, response) => void response.writeHead(status).end(body));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const storage = new RedisStorage({ url: `http://${host}`, token: "token" });
    const calls = [() => storage.renew(newHolder(A), LONG_MS), () => storage.get(["alice"]), () => storage.living()];
    for (const call of calls) {
      await assert.rejects(call(), (error: Error) => {
        assert.ok(error.message.includes(host), `${what}: ${error.message}`);
        return withCode("unavailable")(error);
      });
    }
    assert.equal((await storage.check()).length, 1, what);
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

test("a bad url, token, prefix or holder is refused with invalid_argument", async () => {
  const make = (url: unknown, token: unknown, prefix: unknown = "websocket") => () =>
    new RedisStorage({ url, token } as { url: string; token: string }, prefix as string);
  for (
    const bad of [
      make(undefined, "t"),
      make("redis://127.0.0.1", "t"),
      make(" http://127.0.0.1", "t"),
      make("http://127.0.0.1", ""),
      make("http://127.0.0.1", "a b"),
      make("http://127.0.0.1", "t", ""),
      make("http://127.0.0.1", "t", "{a}"),
      make("http://127.0.0.1", "t", 1),
    ]
  ) assert.throws(bad, withCode("invalid_argument"));
  const [, storage] = redis.makeStorages();
  for (
    const holder of [{ host: "a b:1", life: "x" }, { host: "", life: "x" }, { host: "a:1", life: "x y" }, {
      host: "a:1\n",
      life: "x",
    }]
  ) {
    await assert.rejects(storage.renew(holder, LONG_MS), withCode("invalid_argument"));
  }
});
