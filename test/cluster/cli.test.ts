/** `npx meshsocket`, from source. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { killPrograms, type Program, startFile } from "../kit/program.ts";
import { startRedisServer, type TestRedisServer } from "../kit/redis.ts";
import { readSource } from "../meta/source.ts";
import { runtime } from "../kit/runtime.ts";
import { A, claim, entryOf, livingHolder } from "../kit/storage.ts";

const TOKEN = "a-token-of-these-tests";

let redis: TestRedisServer;

before(async () => {
  redis = await startRedisServer();
});

after(async () => {
  await killPrograms();
  await redis.stop();
});

function cli(args: readonly string[], env: Record<string, string> = {}): Program {
  return startFile(runtime, "cli/main.ts", { args, env });
}

test("help lists the commands, and a command's own help its options and variables", async () => {
  const help = cli(["--help"]);
  assert.equal(await help.ended, 0);
  assert.match(help.output, /redis-endpoint {3}\w/);
  const own = cli(["redis-endpoint", "--help"]);
  assert.equal(await own.ended, 0);
  for (const word of ["--redis", "REDIS_URL", "--port", "PORT", "MESHSOCKET_REDIS_TOKEN", "/health", "SIGTERM"]) {
    assert.ok(own.output.includes(word), word);
  }
});

test("--version prints the version of the package", async () => {
  const { version } = JSON.parse(readSource("package.json").text) as { version: string };
  const program = cli(["--version"]);
  assert.equal(await program.ended, 0);
  assert.equal(program.output, `${version}\n`);
});

const GOOD = { MESHSOCKET_REDIS_TOKEN: TOKEN };

const BAD:
  readonly (readonly [what: string, args: string[], env: Record<string, string>, code: number, says: RegExp])[] = [
    ["no command", [], {}, 2, /a command is missing.*redis-endpoint/],
    [
      "an unknown command",
      ["redis"],
      {},
      2,
      /no command "redis".*redis-endpoint\nmeshsocket: npx meshsocket --help tells/,
    ],
    ["an unknown option", ["redis-endpoint", "--tokn", "x"], GOOD, 2, /--tokn/],
    ["no token", ["redis-endpoint"], {}, 2, /set MESHSOCKET_REDIS_TOKEN/],
    ["a short token", ["redis-endpoint"], { MESHSOCKET_REDIS_TOKEN: "short" }, 2, /at least 16 characters/],
    ["a port that is no number", ["redis-endpoint", "--port", "80a"], GOOD, 2, /from 0 to 65535, not "80a"/],
    ["a Redis that is no URL", ["redis-endpoint"], { ...GOOD, REDIS_URL: "localhost" }, 2, /redis:\/\/user:password@/],
    [
      "no Redis there",
      ["redis-endpoint", "--redis", "redis://:pw-canary@127.0.0.1:1"],
      GOOD,
      1,
      /127\.0\.0\.1:1.*ECONNREFUSED/,
    ],
  ];

for (const [what, args, env, code, says] of BAD) {
  test(`${what} is told in a line, with exit code ${code}`, async () => {
    const program = cli(args, env);
    assert.equal(await program.ended, code);
    assert.match(program.output, says);
    assert.match(program.output, /^meshsocket: [^\n]+\n(?:meshsocket: npx meshsocket [^\n]*--help tells more\n)?$/);
    assert.ok(!program.output.includes("pw-canary"));
  });
}

test("redis-endpoint serves a Redis that a RedisStorage uses, tells its health, and ends with SIGTERM", async () => {
  const mortal = await startRedisServer();
  const env = { ...GOOD, REDIS_URL: `redis://127.0.0.1:${mortal.port}`, PORT: "0" };
  const endpoint = cli(["redis-endpoint"], env);
  const [, url = ""] = await endpoint.match(/on (http:\/\/127\.0\.0\.1:\d+)/);
  const storage = new RedisStorage({ url, token: TOKEN }, "cli", { timeoutMs: 5_000 });
  const entry = await claim(storage, "alice", await livingHolder(storage, A));
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  assert.deepEqual(await storage.check(), []);
  const healthy = await fetch(`${url}/health`);
  assert.deepEqual([healthy.status, await healthy.text()], [200, "ok\n"]);
  await mortal.stop();
  const ill = await fetch(`${url}/health`);
  assert.equal(ill.status, 503);
  await ill.body?.cancel();
  await assert.rejects(storage.get(["alice"]), /endpoint at 127\.0\.0\.1:\d+ cannot reach its Redis/);
  endpoint.kill("SIGTERM");
  assert.equal(await endpoint.ended, 0);
});

test("a taken port is told, with the option to change", async () => {
  const args = ["redis-endpoint", "--redis", `redis://127.0.0.1:${redis.port}`, "--port", String(redis.port)];
  const program = cli(args, GOOD);
  assert.equal(await program.ended, 1);
  assert.match(program.output, /could not listen on 127\.0\.0\.1:\d+: the port is taken: choose another --port/);
});
