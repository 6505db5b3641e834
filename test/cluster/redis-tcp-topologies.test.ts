/** Redis over TCP behind Sentinels, and as a Redis Cluster. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { A, B, claim, entryOf, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

const started: TestRedisServer[] = [];
const folder = mkdtempSync(join(tmpdir(), "meshsocket-sentinel-"));

after(async () => {
  for (const server of started) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(args: readonly string[] = []): Promise<TestRedisServer> {
  const server = await startRedisServer(args);
  started.push(server);
  return server;
}

/** A Sentinel that watches a primary, and decides alone. */
async function startSentinel(primary: TestRedisServer): Promise<TestRedisServer> {
  const config = join(folder, "sentinel.conf");
  writeFileSync(
    config,
    [
      `sentinel monitor mymaster 127.0.0.1 ${primary.port} 1`,
      "sentinel down-after-milliseconds mymaster 500",
      "sentinel failover-timeout mymaster 3000",
    ].join("\n"),
  );
  return await start([config, "--sentinel"]);
}

async function primaryOf(sentinel: TestRedisServer): Promise<number> {
  const answer = await sentinel.command("SENTINEL", "get-master-addr-by-name", "mymaster");
  return Array.isArray(answer) ? Number(answer[1]) : 0;
}

test("a primary behind Sentinels is found, and after its failover the next one is used", async () => {
  const primary = await start();
  const replica = await start(["--replicaof", `127.0.0.1 ${primary.port}`, "--repl-diskless-sync-delay", "0"]);
  const sentinel = await startSentinel(primary);
  const nowhere = { host: "127.0.0.1", port: 1 };
  const storage = new RedisStorage(
    { name: "mymaster", sentinelRootNodes: [nowhere, { host: "127.0.0.1", port: sentinel.port }] },
    "sentinels",
    { timeoutMs: 2_000 },
  );
  const a = newHolder(A);
  await storage.renew(a, LONG_MS);
  const entry = await claim(storage, "alice", a);
  assert.equal(await primary.command("HEXISTS", "sentinels", "alice"), 1);
  await until(
    "the replica to have the claim",
    async () => await replica.command("HEXISTS", "sentinels", "alice").catch(() => 0) === 1,
  );
  await until(
    "the Sentinel to know the replica",
    async () => /slaves=1/.test(String(await sentinel.command("INFO", "sentinel"))),
  );
  await primary.stop();
  await until("the failover", async () => await primaryOf(sentinel) === replica.port);
  await until("a claim at the new primary", () => claim(storage, "bob", a).then(() => true, () => false));
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  assert.equal(await replica.command("HEXISTS", "sentinels", "bob"), 1);
  await storage.close();
});

test("Sentinels that know no such primary, or are not there, are named", async () => {
  const sentinel = await startSentinel(await start());
  const node = { host: "127.0.0.1", port: sentinel.port };
  const unknown = new RedisStorage({ name: "other", sentinelRootNodes: [node] });
  await assert.rejects(unknown.renew(newHolder(A), LONG_MS), (error: Error) => {
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${sentinel.port}.*called other`));
    return withCode("unavailable")(error);
  });
  const nowhere = new RedisStorage({ name: "mymaster", sentinelRootNodes: [{ host: "127.0.0.1", port: 1 }] });
  await assert.rejects(nowhere.renew(newHolder(A), LONG_MS), /127\.0\.0\.1:1, a Sentinel.*ECONNREFUSED/);
  await Promise.all([unknown.close(), nowhere.close()]);
});

test("a Redis Cluster keeps all keys of a prefix in one slot, whatever node was given", async () => {
  const [one, two] = [await start(["--cluster-enabled", "yes"]), await start(["--cluster-enabled", "yes"])];
  await one.command("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
  await two.command("CLUSTER", "ADDSLOTSRANGE", "8192", "16383");
  await one.command("CLUSTER", "MEET", "127.0.0.1", String(two.port));
  for (const node of [one, two]) {
    await until(
      "the cluster to be up",
      async () => /cluster_state:ok/.test(String(await node.command("CLUSTER", "INFO"))),
    );
  }
  // Prefixes that fall on either node.
  for (const prefix of ["a", "b", "c", "d", "e"]) {
    const config = { rootNodes: [{ url: `redis://127.0.0.1:${one.port}` }] };
    const storage = new RedisStorage(config, prefix, { timeoutMs: 5_000 });
    const a = await livingHolder(storage, A);
    const b = await livingHolder(storage, B);
    const entry = await claim(storage, "alice", a);
    assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
    await storage.subscribe("news", a);
    assert.deepEqual(await storage.subscribers("news", b), [a]);
    assert.deepEqual(await storage.check(), []);
    await storage.leave(a);
    assert.deepEqual(await storage.living(), [b]);
    await storage.close();
  }
  assert.ok(Number(await one.command("DBSIZE")) > 0 && Number(await two.command("DBSIZE")) > 0);
  const single = [one, two].map(({ port }) => new RedisStorage(`redis://127.0.0.1:${port}`, "a"));
  const refusals = await Promise.allSettled(single.map((storage) => storage.living()));
  const [refused] = refusals.filter(({ status }) => status === "rejected");
  assert.match(String((refused as PromiseRejectedResult).reason), /node of a Redis Cluster.*rootNodes/);
  for (const storage of single) await storage.close();
});

test("when the master that holds the slot is killed, its replica takes over and claims go on", async () => {
  const options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"];
  const nodes = await Promise.all(Array.from({ length: 6 }, () => start(options)));
  const masters = nodes.slice(0, 3);
  const [first] = masters;
  assert.ok(first);
  for (const [index, slots] of [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].entries()) {
    await masters[index]?.command("CLUSTER", "ADDSLOTSRANGE", ...slots);
  }
  for (const node of nodes.slice(1)) await first.command("CLUSTER", "MEET", "127.0.0.1", String(node.port));
  for (const [index, replica] of nodes.slice(3).entries()) {
    const master = String(await masters[index]?.command("CLUSTER", "MYID"));
    await until("the replica to know its master", async () => {
      return await replica.command("CLUSTER", "REPLICATE", master).then(() => true, () => false);
    });
  }
  for (const node of nodes) {
    await until("the cluster to be up", async () => {
      const info = String(await node.command("CLUSTER", "INFO"));
      return /cluster_state:ok/.test(info) && /cluster_known_nodes:6/.test(info);
    });
  }
  const rootNodes = nodes.map(({ port }) => ({ url: `redis://127.0.0.1:${port}` }));
  const storage = new RedisStorage({ rootNodes }, "failover", { timeoutMs: 3_000 });
  const a = await livingHolder(storage, A);
  const entry = await claim(storage, "alice", a);
  const holds = await Promise.all(
    masters.map((master) => master.command("HEXISTS", "failover", "alice").catch(() => 0)),
  );
  const index = holds.indexOf(1);
  const [master, replica] = [masters[index], nodes[index + 3]];
  assert.ok(master && replica);
  await replica.command("READONLY");
  await until(
    "the replica to have the claim",
    async () => await replica.command("HEXISTS", "failover", "alice") === 1,
  );
  const { pid } = master.process;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGKILL");
  await until("a claim at the replica", () => claim(storage, "bob", a).then(() => true, () => false));
  assert.equal(await replica.command("HEXISTS", "failover", "bob"), 1);
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  for (const id of ["carol", "dave"]) await claim(storage, id, a);
  await storage.close();
});
