/** Redis over TCP with a redis-server that is stopped, paused, wiped, failed over, full, slow, evicting, a replica, or not a Redis. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { after, before, test } from "node:test";
import { errorCode } from "../../src/base/error.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { killPrograms, startFile } from "../kit/program.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { runtime } from "../kit/runtime.ts";
import { CANARY, fails } from "../kit/silent.ts";
import { A, B, claim, entryOf, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";

let redis: TestRedisServer;
let prefixes = 0;

before(async () => {
  redis = await startRedisServer();
});

after(async () => {
  await killPrograms();
  await redis.stop();
});

/** For tests in which a server does not answer. */
const SHORT_MS = 400;

function newStorage(url = `redis://127.0.0.1:${redis.port}`, timeoutMs = 5_000): RedisStorage {
  return new RedisStorage(url, `server-${prefixes++}`, { timeoutMs });
}

/** Fails unless it rejects with the code and a message that matches each pattern, and settles in time. */
async function rejects(call: Promise<unknown>, code: string, ...patterns: readonly RegExp[]): Promise<void> {
  const started = performance.now();
  await assert.rejects(call, (error: Error) => {
    for (const pattern of patterns) assert.match(error.message, pattern);
    return errorCode(error) === code;
  });
  assert.ok(performance.now() - started < 3_000);
}

async function commandsOf(server: TestRedisServer): Promise<number> {
  const info = String(await server.command("INFO", "stats"));
  return Number(/total_commands_processed:(\d+)/.exec(info)?.[1]);
}

test("a redis-server that was stopped makes calls reject at once, and is used again when it is back", async () => {
  const first = await startRedisServer();
  const storage = newStorage(`redis://127.0.0.1:${first.port}`);
  const a = await livingHolder(storage, A);
  await claim(storage, CANARY, a);
  await first.stop();
  for (let round = 0; round < 20; round++) await fails(storage.set([CANARY], a));
  await rejects(storage.renew(a, LONG_MS), "unavailable", new RegExp(`127\\.0\\.0\\.1:${first.port}`), /ECONNREFUSED/);
  const second = await startRedisServer([], first.port);
  await until("the storage to answer again", () => storage.renew(a, LONG_MS).then(() => true, () => false));
  assert.equal((await storage.renew(a, LONG_MS)).lapsed, false);
  assert.deepEqual(await storage.get([CANARY]), [undefined]);
  const entry = await claim(storage, CANARY, a);
  assert.deepEqual(await storage.get([CANARY]), [entryOf(entry)]);
  await storage.close();
  await second.stop();
});

test("a redis-server that was restarted between two calls costs neither of them", async () => {
  const first = await startRedisServer();
  const storage = newStorage(`redis://127.0.0.1:${first.port}`);
  const a = newHolder(A);
  const { generation } = await storage.renew(a, LONG_MS);
  await first.stop();
  const second = await startRedisServer([], first.port);
  const renewal = await storage.renew(a, LONG_MS);
  assert.equal(renewal.lapsed, true);
  assert.notEqual(renewal.generation, generation);
  await storage.close();
  await second.stop();
});

test("a paused redis-server makes calls reject in time, runs no claim that came too late, and is used again", async () => {
  const paused = await startRedisServer();
  const storage = newStorage(`redis://127.0.0.1:${paused.port}`, SHORT_MS);
  const a = newHolder(A);
  await storage.renew(a, LONG_MS);
  await claim(storage, "warm", a);
  // Deno's ChildProcess.kill sends one signal and no second one.
  const { pid } = paused.process;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGSTOP");
  try {
    await Promise.all([
      fails(storage.set([CANARY], a)),
      fails(storage.get([CANARY])),
      fails(storage.renew(a, LONG_MS)),
    ]);
    await rejects(storage.get([CANARY]), "unavailable", /did not answer in time/, new RegExp(`:${paused.port} `));
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await until("the storage to answer again", () => storage.get([CANARY]).then(() => true, () => false));
  assert.deepEqual(await storage.get([CANARY, "warm"]).then(([late, warm]) => [late, warm?.life]), [undefined, a.life]);
  await storage.close();
  await paused.stop();
});

test("a wiped redis-server tells the renewal by another generation, and takes claims at once", async () => {
  const storage = newStorage();
  const a = newHolder(A);
  const { generation } = await storage.renew(a, LONG_MS);
  const old = await claim(storage, "alice", a);
  await redis.command("FLUSHALL");
  await assert.rejects(storage.set(["alice"], a), withCode("failed_precondition"));
  const renewal = await storage.renew(a, LONG_MS);
  assert.deepEqual([renewal.lapsed, renewal.generation === generation], [true, false]);
  const entry = await claim(storage, "alice", a);
  assert.ok(entry.claim > old.claim);
  await storage.close();
});

test("a failover to an empty replica ends every connection once, and tells the renewal by another generation", async () => {
  const [old, promoted] = [await startRedisServer(), await startRedisServer()];
  const proxy = await TcpProxy.open(old.port);
  const storage = newStorage(`redis://${proxy.host}`, 2_000);
  const a = newHolder(A);
  const { generation } = await storage.renew(a, LONG_MS);
  await claim(storage, "alice", a);
  proxy.target(promoted.port);
  proxy.cut();
  await until(
    "a renewal",
    () => storage.renew(a, LONG_MS).then((found) => found.generation !== generation, () => false),
  );
  assert.deepEqual(await storage.get(["alice"]), [undefined]);
  await claim(storage, "alice", a);
  await storage.close();
  await proxy.close();
  await Promise.all([old.stop(), promoted.stop()]);
});

test("a primary that became a replica is left for whatever its address leads to now", async () => {
  const [old, promoted] = [await startRedisServer(), await startRedisServer()];
  const proxy = await TcpProxy.open(old.port);
  const storage = newStorage(`redis://${proxy.host}`, 2_000);
  const a = newHolder(A);
  await storage.renew(a, LONG_MS);
  await old.command("REPLICAOF", "127.0.0.1", String(promoted.port));
  proxy.target(promoted.port);
  await rejects(storage.renew(a, LONG_MS), "unavailable", /read-only/, /replica/, new RegExp(proxy.host));
  await storage.renew(a, LONG_MS);
  assert.equal(await promoted.command("ZCARD", `{server-${prefixes - 1}}:leases`), 1);
  await storage.close();
  await proxy.close();
  await Promise.all([old.stop(), promoted.stop()]);
});

test("a full redis-server refuses claims as unavailable and says so, keeps what is there, and takes them again", async () => {
  const full = await startRedisServer();
  const storage = newStorage(`redis://127.0.0.1:${full.port}`);
  const a = await livingHolder(storage, A);
  const entry = await claim(storage, "alice", a);
  await full.command("CONFIG", "SET", "maxmemory", "1");
  await rejects(
    storage.set([CANARY], a),
    "unavailable",
    /is full/,
    /maxmemory/,
    new RegExp(`127\\.0\\.0\\.1:${full.port}`),
  );
  assert.deepEqual(await storage.get(["alice", CANARY]), [entryOf(entry), undefined]);
  assert.match((await storage.check()).map(({ text }) => text).join(), /is full/);
  await full.command("CONFIG", "SET", "maxmemory", "0");
  await claim(storage, CANARY, a);
  assert.deepEqual(await storage.check(), []);
  await storage.close();
  await full.stop();
});

test("a redis-server that evicts keys refuses the first renewal with what to change, and nothing is written", async () => {
  const evicting = await startRedisServer(["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
  const storage = newStorage(`redis://127.0.0.1:${evicting.port}`);
  const patterns = [/noeviction/, /allkeys-lru/, new RegExp(`127\\.0\\.0\\.1:${evicting.port}`)];
  for (let round = 0; round < 2; round++) {
    await rejects(storage.renew(newHolder(A), LONG_MS), "failed_precondition", ...patterns);
  }
  assert.equal(await evicting.command("DBSIZE"), 0);
  const [finding] = await storage.check();
  assert.match(finding?.text ?? "", /allkeys-lru/);
  assert.match(finding?.fix ?? "", /noeviction/);
  await evicting.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
  await storage.renew(newHolder(A), LONG_MS);
  assert.deepEqual(await storage.check(), []);
  await storage.close();
  await evicting.stop();
});

test("an eviction policy without maxmemory evicts nothing and is taken", async () => {
  const roomy = await startRedisServer(["--maxmemory-policy", "allkeys-lru"]);
  const storage = newStorage(`redis://127.0.0.1:${roomy.port}`);
  await storage.renew(newHolder(A), LONG_MS);
  assert.deepEqual(await storage.check(), []);
  await storage.close();
  await roomy.stop();
});

test("a replica refuses the first renewal and says to give the primary", async () => {
  const replica = await startRedisServer(["--replicaof", `127.0.0.1 ${redis.port}`]);
  const storage = newStorage(`redis://127.0.0.1:${replica.port}`);
  await until(
    "the replica to be in step",
    async () => /master_link_status:up/.test(String(await replica.command("INFO", "replication"))),
  );
  const host = new RegExp(`127\\.0\\.0\\.1:${replica.port}`);
  await rejects(storage.renew(newHolder(A), LONG_MS), "unavailable", host, /replica/, /primary/);
  assert.match((await storage.check())[0]?.text ?? "", /replica/);
  await storage.close();
  await replica.stop();
});

test("a missing or wrong password is told, and appears in no error", async () => {
  const secret = `pass-${CANARY}`;
  const locked = await startRedisServer(["--requirepass", secret], undefined, secret);
  const host = `127.0.0.1:${locked.port}`;
  const cases: readonly (readonly [url: string, pattern: RegExp])[] = [
    [`redis://${host}`, /needs a password/],
    [`redis://:${CANARY}@${host}`, /refused the user or the password/],
    [`redis://nobody:${CANARY}@${host}`, /refused the user or the password/],
  ];
  for (const [url, pattern] of cases) {
    const storage = newStorage(url);
    await fails(storage.renew(newHolder(A), LONG_MS));
    await rejects(storage.get(["alice"]), "unavailable", pattern, new RegExp(host));
    await storage.close();
  }
  const storage = newStorage(`redis://:${secret}@${host}`);
  await claim(storage, "alice", await livingHolder(storage, A));
  await storage.close();
  await locked.stop();
});

test("a redis-server that is still loading is told", async () => {
  const answer = "-LOADING Redis is loading the dataset in memory\r\n";
  const { host, close } = await serveBytes(answer);
  const storage = newStorage(`redis://${host}`);
  await rejects(storage.renew(newHolder(A), LONG_MS), "unavailable", /loading/, new RegExp(host));
  await storage.close();
  await close();
});

test("another program at the address makes calls reject as unavailable, with the host", async () => {
  const answers = [
    `HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\n\r\n<html>${CANARY}</html>`,
    "SSH-2.0-OpenSSH_9.2\r\n",
    `{"error":"${CANARY}"}\n`,
    "\0\0\0\0",
    "",
  ];
  for (const answer of answers) {
    const { host, close } = await serveBytes(answer);
    const storage = newStorage(`redis://${host}`, SHORT_MS);
    await fails(storage.renew(newHolder(A), LONG_MS));
    await rejects(storage.renew(newHolder(A), LONG_MS), "unavailable", new RegExp(host));
    assert.equal((await storage.check()).length, 1);
    await storage.close();
    await close();
  }
});

test("a server without TLS makes a rediss:// URL reject and say so", async () => {
  const storage = newStorage(`rediss://127.0.0.1:${redis.port}`, SHORT_MS);
  await rejects(
    storage.renew(newHolder(A), LONG_MS),
    "unavailable",
    /TLS/,
    new RegExp(`127\\.0\\.0\\.1:${redis.port}`),
  );
  await storage.close();
});

test("a name that does not exist is told", async () => {
  const storage = newStorage("redis://nowhere.invalid:6379", 3_000);
  await rejects(storage.living(), "unavailable", /nowhere\.invalid:6379/);
  await storage.close();
});

test("a server that takes longer than the timeout for one answer fails that call alone", async () => {
  const storage = newStorage(undefined, SHORT_MS);
  const a = await livingHolder(storage, A);
  await claim(storage, "alice", a);
  await redis.command("CLIENT", "PAUSE", String(SHORT_MS * 2), "ALL");
  await fails(storage.get([CANARY]));
  await until("the storage to answer again", () => storage.get(["alice"]).then(() => true, () => false));
  await storage.close();
});

test("calls of one tick leave together, and answers come in order", async () => {
  const storage = newStorage();
  const a = await livingHolder(storage, A);
  const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`);
  const claims = await Promise.all(ids.map((id) => claim(storage, id, a)));
  const numbers = claims.map(({ claim: number }) => number);
  assert.deepEqual(numbers, numbers.toSorted((x, y) => (x < y ? -1 : 1)));
  const found = await Promise.all(ids.map((id) => storage.get([id])));
  assert.deepEqual(found.flat(), claims.map(entryOf));
  await storage.close();
});

test("each operation is one command, and an idle storage sends none", async () => {
  const quiet = await startRedisServer();
  const storage = newStorage(`redis://127.0.0.1:${quiet.port}`);
  const a = await livingHolder(storage, A);
  const b = await livingHolder(storage, B);
  const round = async (): Promise<void> => {
    const entry = await claim(storage, "alice", a);
    await storage.get(["alice"]);
    await storage.subscribe("news", b);
    await storage.subscribers("news", a);
    await storage.renew(a, LONG_MS);
    await storage.del([entry]);
  };
  await round();
  const start = Number(/calls=(\d+)/.exec(await statsOf(quiet, "evalsha"))?.[1]);
  await round();
  const between = Number(/calls=(\d+)/.exec(await statsOf(quiet, "evalsha"))?.[1]);
  assert.equal(between - start, 6);
  const idle = await commandsOf(quiet);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  // The one that asks counts itself.
  assert.equal((await commandsOf(quiet)) - idle, 1);
  await storage.close();
  await quiet.stop();
});

test("a script that used a storage and closed nothing ends by itself", async () => {
  const file = "test/kit/redis-script-child.ts";
  const program = startFile(runtime, file, { env: { TEST_REDIS_URL: `redis://127.0.0.1:${redis.port}` } });
  await program.match(/done, 1 living/);
  const doneMs = performance.now();
  assert.equal(await program.ended, 0);
  assert.ok(performance.now() - doneMs < 2_000);
});

async function statsOf(server: TestRedisServer, name: string): Promise<string> {
  const info = String(await server.command("INFO", "commandstats"));
  return info.split("\r\n").find((line) => line.startsWith(`cmdstat_${name}:`)) ?? "";
}

/** A server that greets nobody and answers every connection's first bytes with these. */
async function serveBytes(answer: string): Promise<{ host: string; close: () => Promise<void> }> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => answer === "" ? socket.destroy() : socket.write(answer));
    server.once("stop", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.emit("stop");
        server.close(() => resolve());
      }),
  };
}
