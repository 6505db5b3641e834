/** Topics with history over a real Redis: what they cost there, and what a Redis in trouble does to them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { RedisHistory } from "../../src/history/redis.ts";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import type { From, Recovery } from "../../src/send/verbs.ts";
import { MemoryClient } from "../../src/testing/memory-client.ts";
import { MemoryCluster } from "../kit/memory-cluster.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let redis: TestRedis;
let prefixes = 0;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

/** A hub whose history is in Redis, over HTTP, so that commands are counted. */
function openHub(messages = 200, bytes?: number): { hub: Hub; history: RedisHistory } {
  const target = { url: redis.url, token: redis.token };
  const history = new RedisHistory(target, `topics-${prefixes++}`, { timeoutMs: 5_000 });
  const topics = [{ match: "room:*", history: { messages, bytes } }];
  return { history, hub: new Hub({ topics, history, logger: silentLogger, limits: { timeoutMs: 10_000 } }) };
}

async function join(hub: Hub, id: string, from: From): Promise<{ client: MemoryClient; recovery: Recovery }> {
  const joined = Promise.withResolvers<Recovery>();
  const client = await MemoryClient.open(hub, {
    id,
    onConnect: (one) => one.subscribe("room:1", { from }).then(joined.resolve, joined.reject),
  });
  return { client, recovery: await joined.promise };
}

test("publishes of one tick to one topic are one command, however many they are", async () => {
  const { hub, history } = openHub(1_000);
  await hub.publish("room:1", "first");
  redis.commands.length = 0;
  const results = await Promise.all(Array.from({ length: 800 }, (_, index) => hub.publish("room:1", String(index))));
  assert.deepEqual(redis.counts(), { "history append": 1 });
  assert.deepEqual(results.map(({ offset }) => offset), Array.from({ length: 800 }, (_, index) => index + 2));
  await hub.close();
  await history.close();
});

test("topics without history cost no command", async () => {
  const { hub, history } = openHub();
  redis.commands.length = 0;
  await Promise.all(Array.from({ length: 100 }, () => hub.publish("lobby", "hi")));
  assert.deepEqual(redis.counts(), {});
  await hub.close();
  await history.close();
});

test("2,000 clients that come back at once share their reads, and each gets its 200 messages", async (t) => {
  const { hub, history } = openHub();
  const place = await hub.position("room:1");
  await Promise.all(Array.from({ length: 200 }, (_, index) => hub.publish("room:1", `message ${index}`)));
  redis.commands.length = 0;
  const startMs = performance.now();
  const joins = await Promise.all(Array.from({ length: 2_000 }, (_, index) => join(hub, `client-${index}`, place)));
  t.diagnostic(`${Math.round(performance.now() - startMs)} ms, ${JSON.stringify(redis.counts())}`);
  for (const { client, recovery } of joins) {
    assert.deepEqual([recovery.recovered, recovery.messages], [true, 200]);
    await until("the last message", () => client.waiting.length === 200);
    assert.deepEqual([client.waiting[0], client.waiting.at(-1)], ["message 0", "message 199"]);
  }
  assert.ok((redis.counts()["history read"] ?? 0) < 100, JSON.stringify(redis.counts()));
  assert.equal((await hub.publish("room:1", "live")).delivered, 2_000);
  await hub.close();
  await history.close();
});

test("a topic that keeps 1,000,000 bytes never has more", async () => {
  const { hub, history } = openHub(100_000, 1_000_000);
  const message = "x".repeat(10_000);
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 50 }, () => hub.publish("room:1", message)));
    const kept = Number(await redis.command("HGET", `{topics-${prefixes - 1}}:topic:room:1`, "bytes"));
    assert.ok(kept <= 1_000_000, `${kept} bytes`);
  }
  let bytes = 0;
  for (let from: From | undefined;;) {
    const page = await hub.history("room:1", { from });
    for (const { data } of page.messages) bytes += data.length;
    if (!page.more) break;
    from = { epoch: page.end.epoch, offset: page.messages.at(-1)?.offset ?? 0 };
  }
  assert.equal(bytes, 1_000_000);
  await hub.close();
  await history.close();
});

test("a Redis that is wiped, read-only or gone: honest results, and listeners hear of the gap", async () => {
  const { hub, history } = openHub();
  const gaps: unknown[] = [];
  hub.on("gap", ({ topic, offset }) => gaps.push([topic, offset]));
  const { client } = await join(hub, "alice", { last: 1 });
  const one = await hub.publish("room:1", "1");
  await redis.flush();
  const two = await hub.publish("room:1", "2");
  assert.notEqual(two.epoch, one.epoch);
  await until("both messages", () => client.waiting.length === 2);
  assert.deepEqual(gaps, [["room:1", 0]]);
  await redis.command("CONFIG", "SET", "min-replicas-to-write", "1");
  await assert.rejects(hub.publish("room:1", "never"), withCode("unavailable"));
  await redis.command("CONFIG", "SET", "min-replicas-to-write", "0");
  assert.equal((await hub.publish("room:1", "3")).offset, 2);
  await until("the third message", () => client.waiting.length === 3);
  assert.deepEqual(client.waiting, ["1", "2", "3"]);
  await hub.close();
  await history.close();
});

test("a DistHub keeps history where its storage is, or says what to write", async () => {
  const topics = [{ match: "room:*", history: { messages: 10 } }];
  const storage = new RedisStorage(`redis://127.0.0.1:${redis.port}`, "derived");
  const cluster = new MemoryCluster(storage);
  const { hub } = await cluster.start({ topics });
  await hub.publish("room:1", "hi");
  assert.equal(Number(await redis.command("XLEN", "{derived}:messages:room:1")), 1);
  await cluster[Symbol.asyncDispose]();
  await storage.close();
  const bare = Object.assign(new MemoryStorage(), { history: undefined });
  assert.throws(() => new DistHub({ storage: bare, topics }), {
    code: "invalid_argument",
    message: /history: new RedisHistory\("redis:/,
  });
  const elsewhere = new RedisStorage(`redis://127.0.0.1:${redis.port}`, "elsewhere");
  assert.throws(() => new DistHub({ storage: elsewhere, topics, history: new MemoryHistory() }), {
    code: "invalid_argument",
    message:
      /history is an instance of MemoryHistory, and the storage an instance of RedisStorage: other nodes would not/,
  });
  await elsewhere.close();
});
