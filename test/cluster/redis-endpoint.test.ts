import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Redis } from "@upstash/redis";
import { startRedis, type TestRedis } from "../kit/redis.ts";

let redis: TestRedis;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

/** A client as people make it: every setting at its default. */
function defaultClient(): Redis {
  return new Redis({ url: redis.url, token: redis.token });
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(redis.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${redis.token}`, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

test("the default client of @upstash/redis gets back what it wrote", async () => {
  const client = defaultClient();
  assert.equal(await client.set("text", "smile 😀 \0 end"), "OK");
  assert.equal(await client.get("text"), "smile 😀 \0 end");
  assert.deepEqual(await client.set("json", { a: [1, "2", null] }), "OK");
  assert.deepEqual(await client.get("json"), { a: [1, "2", null] });
  assert.equal(await client.get("absent"), null);
  assert.equal(await client.incr("number"), 1);
  assert.equal(await client.hset("hash", { a: "x", b: 2 }), 2);
  assert.deepEqual(await client.hgetall("hash"), { a: "x", b: 2 });
  assert.deepEqual(await client.hmget("hash", "a", "none"), { a: "x", none: null });
  assert.equal(await client.zadd("scores", { score: 1.5, member: "m" }), 1);
  assert.equal(await client.zscore("scores", "m"), 1.5);
  assert.deepEqual(await client.eval("return {1, 'two', {3, 'four'}, false}", [], []), [1, "two", [3, "four"], null]);
});

test("the default client's pipeline and transaction answer in order", async () => {
  const client = defaultClient();
  assert.deepEqual(await client.pipeline().set("p", "1").incr("p").get("p").exec(), ["OK", 2, 2]);
  assert.deepEqual(await client.multi().set("m", "a").append("m", "b").get("m").exec(), ["OK", 2, "ab"]);
  const [one, two] = await Promise.all([client.get("p"), client.get("m")]);
  assert.deepEqual([one, two], [2, "ab"]);
});

test("an error stands in its command's place in a pipeline and in a transaction", async () => {
  for (const path of ["/pipeline", "/multi-exec"]) {
    const response = await post(path, [["SET", "s", "x"], ["INCR", "s"], ["GET", "s"]]);
    assert.equal(response.status, 200);
    const [first, second, third] = (await response.json()) as { result?: string; error?: string }[];
    assert.deepEqual([first, third], [{ result: "OK" }, { result: "x" }]);
    assert.match(second?.error ?? "", /not an integer/);
  }
});

test("a transaction with an unknown command does nothing at all", async () => {
  await post("/", ["DEL", "untouched"]);
  const response = await post("/multi-exec", [["SET", "untouched", "x"], ["NOSUCH"]]);
  assert.ok(response.status >= 400);
  assert.match(((await response.json()) as { error: string }).error, /./);
  assert.equal(await redis.command("EXISTS", "untouched"), 0);
});

test("base64 is used when asked for, on every string but OK, at any depth", async () => {
  const script = "return {'x', 'OK', 5, {'y', false}, redis.status_reply('OK')}";
  const encoded = await post("/", ["EVAL", script, "0"], { "upstash-encoding": "base64" });
  assert.deepEqual(await encoded.json(), { result: ["eA==", "OK", 5, ["eQ==", null], "OK"] });
  const plain = await post("/", ["EVAL", script, "0"]);
  assert.deepEqual(await plain.json(), { result: ["x", "OK", 5, ["y", null], "OK"] });
});

test("bytes that are no UTF-8 survive in base64", async () => {
  const response = await post("/", ["EVAL", "return '\\255\\0\\1'", 0], { "upstash-encoding": "base64" });
  assert.deepEqual(await response.json(), { result: "/wAB" });
});

test("a missing or wrong token is answered 401, before anything runs", async () => {
  redis.commands.length = 0;
  for (
    const authorization of [
      "",
      "Bearer",
      "Bearer wrong",
      redis.token,
      `bearer ${redis.token}`,
      `Bearer ${redis.token}x`,
    ]
  ) {
    assert.equal((await post("/", ["PING"], { authorization })).status, 401);
  }
  assert.deepEqual(redis.commands, []);
});

test("what cannot be served is refused with a status and an error", async () => {
  const cases: [string, unknown, number][] = [
    ["/", "not json", 400],
    ["/", [], 400],
    ["/", {}, 400],
    ["/", [["PING"]], 400],
    ["/", ["SET", "k", null], 400],
    ["/", ["NOSUCH"], 400],
    ["/", ["SUBSCRIBE", "x"], 400],
    ["/", ["blpop", "x", 0], 400],
    ["/", ["XREAD", "block", "0", "STREAMS", "x", "$"], 400],
    ["/pipeline", ["PING"], 400],
    ["/pipeline", [["PING"], ["MULTI"]], 400],
    ["/nowhere", ["PING"], 404],
    ["/", ["ECHO", "x".repeat(5_000_000)], 413],
  ];
  for (const [path, body, status] of cases) {
    const response = await post(path, body);
    assert.equal(response.status, status, JSON.stringify(body).slice(0, 60));
    assert.equal(typeof ((await response.json()) as { error: unknown }).error, "string");
  }
  const got = await fetch(redis.url, { headers: { authorization: `Bearer ${redis.token}` } });
  assert.equal(got.status, 405);
  await got.body?.cancel();
});

test("every command is counted, also those of a pipeline", async () => {
  redis.commands.length = 0;
  await post("/", ["PING"]);
  await post("/pipeline", [["PING"], ["ECHO", 1]]);
  assert.deepEqual(redis.commands, [["PING"], ["PING"], ["ECHO", "1"]]);
});

test("a redis-server that is gone is answered 503, at once", async () => {
  const mortal = await startRedis();
  mortal.process.kill("SIGKILL");
  await new Promise((resolve) => mortal.process.once("exit", resolve));
  const response = await fetch(mortal.url, {
    method: "POST",
    headers: { authorization: `Bearer ${mortal.token}` },
    body: '["PING"]',
  });
  assert.equal(response.status, 503);
  await response.body?.cancel();
  await mortal.stop();
});
