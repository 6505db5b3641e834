/** What a lost answer and a wiped, full, read-only, paused, restarted or failed-over Redis do to a history. */
import assert from "node:assert/strict";
import process from "node:process";
import { after, before, test } from "node:test";
import { errorCode } from "../../src/base/error.ts";
import { type HistoryStore, MAX_APPEND_MESSAGES, type NewMessage } from "../../src/history/history.ts";
import { RedisHistory } from "../../src/history/redis.ts";
import { numbers, WIDE } from "../contract/history.ts";
import { type FaultyRedis, startFaultyRedis } from "../kit/faulty-redis.ts";
import { type FaultyRedisTcp, startFaultyRedisTcp } from "../kit/faulty-redis-tcp.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { assertSilent, CANARY } from "../kit/silent.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { until } from "../kit/until.ts";

let http: FaultyRedis;
let tcp: FaultyRedisTcp;
let prefixes = 0;

before(async () => {
  [http, tcp] = [await startFaultyRedis(), await startFaultyRedisTcp()];
});

after(async () => {
  await Promise.all([http.stop(), tcp.stop()]);
});

/** Both ways, each with the faults of a test and without. */
const WAYS = [
  ["over HTTP", () => ({ faulty: http, target: http.target })],
  ["over TCP", () => ({ faulty: tcp, target: tcp.url })],
] as const;

const SHORT_MS = 300;

function offsetsOf({ messages }: { messages: readonly { offset: number }[] }): number[] {
  return messages.map(({ offset }) => offset);
}

/** Fails unless it rejects with the code and tells nothing. */
async function rejects(call: Promise<unknown>, code: string, pattern = /./): Promise<void> {
  const started = performance.now();
  await assert.rejects(call, (error: Error) => {
    assertSilent(error);
    assert.match(error.message, pattern);
    return errorCode(error) === code;
  });
  assert.ok(performance.now() - started < 3_000);
}

for (const [way, make] of WAYS) {
  const open = (timeoutMs = 5_000): [HistoryStore, HistoryStore] => {
    const prefix = `history-${prefixes++}`;
    const { target } = make();
    return [new RedisHistory(target, prefix, { timeoutMs }), new RedisHistory(target, prefix, { timeoutMs: 5_000 })];
  };

  test(`${way}: an append whose answer was lost is read back, and not repeated`, async () => {
    const [history, other] = open();
    const { faulty } = make();
    await history.append("room", [{ data: "a", key: "x" }], WIDE);
    faulty.fault = async (name, forward) => {
      const response = await forward();
      if (name !== "history append") return response;
      throw new TypeError("the answer is lost");
    };
    const result = await history.append("room", [{ data: "b", key: "x" }, ...numbers(2, 3)], WIDE);
    faulty.fault = undefined;
    assert.deepEqual(result.appended.map(({ offset, repeated }) => [offset, repeated]), [[1, true], [2, false], [
      3,
      false,
    ]]);
    assert.deepEqual(offsetsOf(await other.read("room")), [1, 2, 3]);
    await Promise.all([history.close(), other.close()]);
  });

  test(`${way}: an append that was held up rejects with unavailable, and is never read`, async () => {
    const [history, other] = open(SHORT_MS);
    const { faulty } = make();
    await other.append("room", numbers(1, 1), WIDE);
    await history.position("room");
    const gate = Promise.withResolvers<void>();
    const late: Promise<string>[] = [];
    faulty.fault = (name, forward) => {
      if (name !== "history append") return forward();
      const response = gate.promise.then(forward);
      late.push(response.then((answer) => answer.clone().text()));
      return response;
    };
    await rejects(history.append("room", [{ data: CANARY }], WIDE), "unavailable");
    gate.resolve();
    assert.ok((await Promise.all(late)).every((answer) => answer.includes("again")));
    faulty.fault = undefined;
    assert.deepEqual(offsetsOf(await other.read("room")), [1]);
    await Promise.all([history.close(), other.close()]);
  });

  test(`${way}: an append of which nothing can be found out rejects with unknown`, async () => {
    const [history, other] = open(SHORT_MS);
    const { faulty } = make();
    await history.position("room");
    faulty.fault = async (_name, forward) => {
      await forward();
      throw new TypeError("the answer is lost");
    };
    await rejects(history.append("room", [{ data: CANARY }], WIDE), "unknown", /may or may not/);
    faulty.fault = undefined;
    await Promise.all([history.close(), other.close()]);
  });

  test(`${way}: the messages of a call are one command, however many`, async () => {
    const [history, other] = open();
    const { faulty } = make();
    const seen = (): number => "seen" in faulty ? faulty.seen.length : faulty.commands.length;
    await history.append("room", numbers(1, 1), WIDE);
    await history.read("room");
    const start = seen();
    await history.append("room", numbers(1, MAX_APPEND_MESSAGES), WIDE);
    assert.equal(seen() - start, 1);
    await history.read("room", { from: { last: 200 } });
    await history.position("room");
    assert.equal(seen() - start, 3);
    await Promise.all([history.close(), other.close()]);
  });

  test(`${way}: an answer of another program is refused, and tells nothing`, async () => {
    const [history, other] = open();
    const { faulty } = make();
    await history.append("room", numbers(1, 1), WIDE);
    const answers = way === "over HTTP"
      ? [() => Response.json({ result: [CANARY] }), () => new Response(`<html>${CANARY}</html>`)]
      : [() => new Response(`*1\r\n$${CANARY.length}\r\n${CANARY}\r\n`), () => new Response("*0\r\n")];
    for (const answer of answers) {
      faulty.fault = async () => answer();
      await rejects(history.read("room"), "unavailable");
      await rejects(history.append("room", numbers(1, 1), WIDE), "unknown");
    }
    faulty.fault = undefined;
    await Promise.all([history.close(), other.close()]);
  });
}

function historyOf({ port }: TestRedisServer, timeoutMs = 5_000): RedisHistory {
  return new RedisHistory(`redis://127.0.0.1:${port}`, "websocket", { timeoutMs });
}

const LETTERS: readonly NewMessage[] = [{ data: "a" }, { data: "b" }, { data: "c" }];

test("a failover that lost the newest messages begins another epoch, whoever appends first", async () => {
  const primary = await startRedisServer();
  const replica = await startRedisServer(["--replicaof", `127.0.0.1 ${primary.port}`]);
  const proxy = await TcpProxy.open(primary.port);
  const [history, stranger] = [0, 1].map(() =>
    new RedisHistory(`redis://${proxy.host}`, "websocket", { timeoutMs: 2_000 })
  );
  if (!history || !stranger) throw new Error("there are two");
  const { epoch } = await history.append("room", LETTERS, WIDE);
  await until(
    "the replica to be in step",
    async () => await replica.command("HGET", "{websocket}:topic:room", "offset").catch(() => "") === "3",
  );
  await replica.command("REPLICAOF", "NO", "ONE");
  const lost = await history.append("room", LETTERS, WIDE);
  assert.deepEqual([lost.epoch, lost.appended.at(-1)?.offset], [epoch, 6]);
  proxy.target(replica.port);
  proxy.cut();
  await until("the new primary", () => stranger.position("hall").then(() => true, () => false));
  const next = await stranger.append("room", [{ data: "d" }, { data: "e" }, { data: "f" }, { data: "g" }], WIDE);
  assert.notEqual(next.epoch, epoch);
  const page = await history.read("room", { from: { epoch, offset: 6 } });
  assert.equal(page.recovered, false);
  const all = await history.read("room");
  assert.deepEqual(all.messages.map(({ data }) => data), ["a", "b", "c", "d", "e", "f", "g"]);
  assert.deepEqual(offsetsOf(all), [1, 2, 3, 4, 5, 6, 7]);
  await Promise.all([history.close(), stranger.close()]);
  await proxy.close();
  await Promise.all([primary.stop(), replica.stop()]);
});

test("a server that was primary, lost its newest messages as a replica and is primary again begins another epoch", async () => {
  const soon = ["--repl-diskless-sync-delay", "0"];
  const first = await startRedisServer(soon);
  const second = await startRedisServer([...soon, "--replicaof", `127.0.0.1 ${first.port}`]);
  const history = historyOf(first);
  await history.append("room", LETTERS, WIDE);
  const offsetAt = (server: TestRedisServer): Promise<unknown> => {
    return server.command("HGET", "{websocket}:topic:room", "offset").catch(() => "");
  };
  await until("the replica to be in step", async () => await offsetAt(second) === "3");
  await second.command("REPLICAOF", "NO", "ONE");
  const { epoch } = await history.append("room", [{ data: "lost" }], WIDE);
  // Nobody uses the topic while the other server is the primary.
  await first.command("REPLICAOF", "127.0.0.1", String(second.port));
  await until("the first to have what the second has", async () => await offsetAt(first) === "3");
  await first.command("REPLICAOF", "NO", "ONE");
  const stranger = historyOf(first);
  const next = await stranger.append("room", [{ data: "another" }], WIDE);
  assert.notEqual(next.epoch, epoch);
  assert.equal((await stranger.read("room", { from: { epoch, offset: 4 } })).recovered, false);
  await Promise.all([history.close(), stranger.close()]);
  await Promise.all([first.stop(), second.stop()]);
});

test("an append whose answer was lost in a failover rejects with unknown: the old primary may have given it to readers", async () => {
  const primary = await startRedisServer();
  const replica = await startRedisServer(["--replicaof", `127.0.0.1 ${primary.port}`]);
  const proxy = await TcpProxy.open(primary.port);
  const history = new RedisHistory(`redis://${proxy.host}`, "websocket", { timeoutMs: 1_000 });
  await history.append("room", LETTERS, WIDE);
  const offsetAt = (server: TestRedisServer): Promise<unknown> => {
    return server.command("HGET", "{websocket}:topic:room", "offset").catch(() => "");
  };
  await until("the replica to be in step", async () => await offsetAt(replica) === "3");
  await replica.command("REPLICAOF", "NO", "ONE");
  proxy.shape({ swallow: true }, ["back"]);
  const lost = rejects(history.append("room", LETTERS, WIDE), "unknown", /restarted, wiped or replaced/);
  await until("the old primary to have it", async () => await offsetAt(primary) === "6");
  proxy.shape({}, ["back"]);
  proxy.target(replica.port);
  proxy.cut();
  await lost;
  await history.close();
  await proxy.close();
  await Promise.all([primary.stop(), replica.stop()]);
});

test("a server whose content went back while it ran begins another epoch for a caller that has seen more", async () => {
  const server = await startRedisServer();
  const history = historyOf(server);
  const { epoch } = await history.append("room", LETTERS, WIDE);
  await server.command("XTRIM", "{websocket}:messages:room", "MAXLEN", "0");
  await server.command("XSETID", "{websocket}:messages:room", "1-0");
  await server.command("HSET", "{websocket}:topic:room", "offset", "1");
  const next = await history.append("room", LETTERS, WIDE);
  assert.notEqual(next.epoch, epoch);
  assert.equal((await history.read("room", { from: { epoch, offset: 3 } })).recovered, false);
  await history.close();
  await server.stop();
});

test("messages that somebody removed from the middle of the stream make a reader not recovered", async () => {
  const server = await startRedisServer();
  const history = historyOf(server);
  const { epoch } = await history.append("room", numbers(1, 5), WIDE);
  await server.command("XDEL", "{websocket}:messages:room", "3-0");
  const page = await history.read("room", { from: { epoch, offset: 1 } });
  assert.deepEqual([offsetsOf(page), page.recovered], [[2, 4, 5], false]);
  assert.equal((await history.read("room", { from: { epoch, offset: 3 } })).recovered, true);
  await history.close();
  await server.stop();
});

test("a stream that somebody wrote to is begun again with another epoch, and appends go on", async () => {
  const server = await startRedisServer();
  const history = historyOf(server);
  const { epoch } = await history.append("room", numbers(1, 2), WIDE);
  await server.command("XADD", "{websocket}:messages:room", "99-0", "text", "foreign", "at", "1");
  const next = await history.append("room", numbers(3, 4), WIDE);
  assert.notEqual(next.epoch, epoch);
  assert.deepEqual(offsetsOf(await history.read("room")), [3, 4]);
  await history.close();
  await server.stop();
});

test("a full Redis refuses appends with unavailable, serves reads, and takes appends again", async () => {
  const server = await startRedisServer();
  const history = historyOf(server);
  const { epoch } = await history.append("room", LETTERS, WIDE);
  await server.command("CONFIG", "SET", "maxmemory", "1");
  await rejects(history.append("room", [{ data: CANARY }], WIDE), "unavailable", /is full/);
  assert.deepEqual(offsetsOf(await history.read("room", { from: { epoch, offset: 1 } })), [2, 3]);
  await server.command("CONFIG", "SET", "maxmemory", "0");
  assert.deepEqual((await history.append("room", LETTERS, WIDE)).appended.map(({ offset }) => offset), [4, 5, 6]);
  await history.close();
  await server.stop();
});

test("a replica refuses appends with unavailable and says to give the primary", async () => {
  const [primary, server] = [await startRedisServer(), await startRedisServer()];
  const history = historyOf(server);
  await history.append("room", LETTERS, WIDE);
  await server.command("REPLICAOF", "127.0.0.1", String(primary.port));
  await rejects(history.append("room", LETTERS, WIDE), "unavailable", /replica.*primary/);
  await history.close();
  await Promise.all([server.stop(), primary.stop()]);
});

test("a paused Redis makes appends reject with unknown in time, and what it did then is told honestly", async () => {
  const server = await startRedisServer();
  const history = historyOf(server, SHORT_MS);
  await history.append("room", LETTERS, WIDE);
  const { pid } = server.process;
  assert.ok(pid !== undefined);
  process.kill(pid, "SIGSTOP");
  try {
    await rejects(history.append("room", [{ data: CANARY }], WIDE), "unknown");
    await rejects(history.read("room"), "unavailable");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await until("Redis to answer", () => history.position("room").then(() => true, () => false));
  const { messages } = await history.read("room");
  assert.ok(messages.length === 3 || messages.length === 4);
  await history.close();
  await server.stop();
});

test("a Redis that is gone makes appends reject with unavailable, and a restarted empty one begins another epoch", async () => {
  const first = await startRedisServer();
  const history = historyOf(first);
  const { epoch } = await history.append("room", LETTERS, WIDE);
  await first.stop();
  await history.position("room").catch(() => {});
  await rejects(history.append("room", LETTERS, WIDE), "unavailable", /cannot be reached/);
  await rejects(history.read("room"), "unavailable", /cannot be reached/);
  const second = await startRedisServer([], first.port);
  await until("Redis to answer", () => history.position("room").then(() => true, () => false));
  const page = await history.read("room", { from: { epoch, offset: 3 } });
  assert.deepEqual([page.recovered, page.messages, page.end.offset], [false, [], 0]);
  await history.close();
  await second.stop();
});

test("what stands in Redis is readable, and ends with the window", async () => {
  const server = await startRedisServer();
  const history = historyOf(server);
  await history.append("room:1", [{ data: "hello", key: "k" }, { data: new Uint8Array([1, 2]) }], {
    ...WIDE,
    ms: 60_000,
  });
  const [one, two] = (await server.command("XRANGE", "{websocket}:messages:room:1", "-", "+")) as [string, string[]][];
  assert.deepEqual([one?.[0], one?.[1].slice(0, 3), one?.[1].slice(4)], ["1-0", ["text", "hello", "at"], ["key", "k"]]);
  assert.deepEqual([two?.[0], two?.[1].slice(0, 2)], ["2-0", ["base64", "AQI="]]);
  const ttl = Number(await server.command("PTTL", "{websocket}:messages:room:1"));
  assert.ok(ttl > 0 && ttl <= 60_000);
  for (const key of (await server.command("KEYS", "*")) as string[]) {
    assert.ok(Number(await server.command("PTTL", key)) > 0, key);
  }
  await history.clear("room:1");
  assert.deepEqual(((await server.command("KEYS", "*")) as string[]).filter((key) => !key.includes(":append:")), []);
  await history.close();
  await server.stop();
});
