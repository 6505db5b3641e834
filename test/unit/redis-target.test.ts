import assert from "node:assert/strict";
import { test } from "node:test";
import { RedisStorage, type RedisTarget } from "../../src/storage/redis/redis.ts";
import { withCode } from "../kit/storage.ts";

const SECRET = "hunter2-4c1f";

/** What was given, and what the error must say. */
const BAD: readonly (readonly [target: unknown, ...patterns: readonly RegExp[]])[] = [
  [undefined, /environment variable/, /REDIS_URL/, /redis:\/\/127\.0\.0\.1:6379/],
  [null, /environment variable/],
  [5, /object/],
  ["", /empty/, /REDIS_URL/],
  [{ url: undefined }, /redis\.url/, /environment variable/, /UPSTASH_REDIS_REST_URL/],
  [{ url: undefined, token: SECRET }, /redis\.url/],
  [{ url: "" }, /empty/],
  ["localhost:6379", /must begin with redis:\/\//],
  ["127.0.0.1", /must begin with redis:\/\//],
  [`${SECRET}@localhost:6379`, /must begin with redis:\/\//],
  ["redis://", /host/],
  [`redis://:${SECRET}@`, /host/],
  ['"redis://localhost"', /quotes/],
  ["redis://localhost\n", /white space/],
  [`postgres://user:${SECRET}@localhost`, /postgres:\/\/…/, /redis:\/\//],
  [`redis://user:${SECRET}%@localhost`, /%25/],
  [`redis://user:${SECRET}@localhost/name`, /number of a database/],
  [`redis://user:${SECRET}@localhost?ssl=true`, /\?/],
  ["https://example.com", /token/, /UPSTASH_REDIS_REST_TOKEN/],
  [{ url: "https://example.com" }, /token/],
  [{ url: "https://example.com", token: undefined }, /token/],
  [{ url: "https://example.com", token: "a b" }, /spaces/],
  [{ url: "redis://localhost", token: SECRET }, /token goes with https/],
  [{ url: "redis://localhost", password: undefined }, /password/, /environment variable/],
  [{ url: "redis://localhost", keyPrefix: "x:" }, /keyPrefix/, /second argument/],
  [{ url: `redis://:${SECRET}@localhost`, socket: { tls: true } }, /tls/],
  [{ url: "redis://localhost", socket: 5 }, /redis\.socket/],
  [{ sentinelRootNodes: [] }, /redis\.name/],
  [{ name: "mymaster", sentinelRootNodes: [] }, /sentinelRootNodes/],
  [{ name: "mymaster", sentinelRootNodes: ["10.0.0.1"] }, /sentinelRootNodes/],
  [{ rootNodes: [] }, /rootNodes/],
  [{ rootNodes: [{ url: "localhost" }] }, /rootNodes/],
  [{ sendCommand: () => {} }, /not the client/, /new RedisStorage\("redis:\/\/127\.0\.0\.1:6379"\)/, /url: .*, token/],
  [{ sendCommand() {}, evalsha() {}, options: { password: SECRET } }, /not the client/, /redis:\/\//],
  [{ get() {}, set() {} }, /not the client/, /redis:\/\//],
];

for (const [target, ...patterns] of BAD) {
  const what = JSON.stringify(target) ?? String(target);
  test(`new RedisStorage(${what.replaceAll(SECRET, "…")}) throws with what to write, and tells no secret`, () => {
    assert.throws(() => new RedisStorage(target as RedisTarget), (error: Error) => {
      for (const pattern of patterns) assert.match(error.message, pattern);
      assert.ok(!`${error.message}${error.stack}${JSON.stringify(error)}`.includes(SECRET));
      assert.equal(error.cause, undefined);
      return withCode("invalid_argument")(error);
    });
  });
}

test("every documented form of a target is taken, and nothing is dialled before the first call", async () => {
  const targets: readonly RedisTarget[] = [
    "redis://localhost",
    "redis://user:p%40ss@localhost:6380/2",
    "rediss://[::1]:6380",
    { url: "redis://localhost", username: "user", password: "pass", database: 1, socket: { keepAlive: true } },
    { url: "https://example.com", token: "token" },
    { name: "mymaster", sentinelRootNodes: [{ host: "10.0.0.1", port: 26379 }] },
    { rootNodes: [{ url: "redis://10.0.0.1:6379" }], defaults: { password: "pass" } },
  ];
  for (const target of targets) await new RedisStorage(target).close();
  await new RedisStorage("https://default:token@example.com").close();
  await new RedisStorage("https://example.com", "prefix", { token: "token" }).close();
});

test("an unknown option of a RedisStorage throws with those that there are", () => {
  const options = { timeout: 5 } as object;
  assert.throws(() => new RedisStorage("redis://localhost", "prefix", options), /no option timeout.*timeoutMs/);
});
