import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RedisStorage, type RedisStorageOptions } from "../../src/storage/redis.ts";
import type { Holder } from "../../src/storage/storage.ts";
import type { RedisEndpoint } from "../../tools/redis-endpoint.ts";
import { commandName, startRedis, type TestRedis } from "../kit/redis.ts";
import { A, B, claim, entryOf, listed, livingHolder, LONG_MS, newHolder, withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

type Handler = (name: string, forward: () => Promise<Response>) => Promise<Response>;

const CANARY = "canary-7f3a";
const TIMEOUT_MS = 150;

let redis: TestRedis;
let handler: Handler | undefined;
let prefixes = 0;

before(async () => {
  redis = await startRedis({ through });
});

after(async () => {
  await redis.stop();
});

/** Gives each command's name to the test's handler, which may hold up, drop or replace the answer. */
async function through(request: Request, endpoint: RedisEndpoint): Promise<Response> {
  const body = await request.text();
  const forward = (): Promise<Response> =>
    endpoint.fetch(new Request(request.url, { method: request.method, headers: request.headers, body }));
  return handler === undefined ? forward() : handler(commandName(JSON.parse(body) as string[]), forward);
}

/** A storage with a prefix of its own, and a second one over the same keys. */
function makeStorages(options: RedisStorageOptions = {}): [RedisStorage, RedisStorage] {
  handler = undefined;
  redis.commands.length = 0;
  const prefix = `failure-${prefixes++}`;
  return [
    new RedisStorage(redis, prefix, { timeoutMs: TIMEOUT_MS, ...options }),
    new RedisStorage(redis, prefix, { timeoutMs: 5_000 }),
  ];
}

/** Lets a command take effect and destroys its connection instead of answering. */
const dropAnswersOf = (name: string): Handler => async (command, forward) => {
  const response = await forward();
  if (command === name) throw new Error("the answer is lost");
  return response;
};

function assertSilent(error: unknown): void {
  for (let one = error; one instanceof Error; one = one.cause) {
    assert.ok(!`${one.message}${one.stack ?? ""}${JSON.stringify(one)}`.includes(CANARY), "an error tells an id");
  }
}

async function fails(call: Promise<unknown>): Promise<void> {
  await assert.rejects(within("the rejection", call, 3_000), (error) => {
    assertSilent(error);
    return withCode("unavailable")(error);
  });
}

test("an endpoint that is too slow makes every call reject as unavailable, in time", async () => {
  const [storage, other] = makeStorages();
  const a = await livingHolder(other, A);
  const gate = Promise.withResolvers<void>();
  handler = async (_name, forward) => {
    await gate.promise;
    return forward();
  };
  const started = performance.now();
  await Promise.all([
    fails(storage.set([CANARY], a)),
    fails(storage.get([CANARY])),
    fails(storage.del([{ id: CANARY, life: a.life, claim: 1n }])),
    fails(storage.renew(a, LONG_MS)),
    fails(storage.subscribe(CANARY, a)),
    fails(Array.fromAsync(storage.all())),
  ]);
  assert.ok(performance.now() - started < 1_500);
  gate.resolve();
});

test("an endpoint that answers 500, with JSON or without, makes calls reject as unavailable", async () => {
  const [storage, other] = makeStorages();
  const a = await livingHolder(other, A);
  const answers = [
    () => Response.json({ error: `ERR broken, command was ${CANARY}` }, { status: 500 }),
    () => new Response(`<html>${CANARY}</html>`, { status: 502 }),
    () => new Response(`<html>${CANARY}</html>`, { status: 200 }),
    () => Response.json({ error: "ERR broken" }),
    () => Response.json({ result: 5 }),
  ];
  for (const answer of answers) {
    handler = async () => answer();
    await fails(storage.get([CANARY]));
    await fails(storage.set([CANARY], a));
  }
});

test("a wrong token makes calls reject as unavailable, and says why", async () => {
  makeStorages();
  const storage = new RedisStorage({ url: redis.url, token: "wrong" });
  await assert.rejects(storage.renew(newHolder(A), LONG_MS), (error: Error) => {
    assert.match(error.message, /refused the token/);
    return withCode("unavailable")(error);
  });
});

test("a server that is not there makes calls reject as unavailable, at once", async () => {
  const storage = new RedisStorage({ url: "http://127.0.0.1:1", token: "token" }, "websocket", { timeoutMs: 5_000 });
  await fails(storage.renew(newHolder(A), LONG_MS));
  await fails(storage.set([CANARY], newHolder(A)));
});

test("no command is sent twice when its answer is lost", async () => {
  const [storage, other] = makeStorages();
  const a = await livingHolder(other, A);
  const entry = await claim(other, CANARY, a);
  for (const name of ["renew", "del", "get", "subscribe"]) {
    await storage.get(["warm"]);
    redis.commands.length = 0;
    handler = dropAnswersOf(name);
    if (name === "renew") await fails(storage.renew(a, LONG_MS));
    if (name === "del") await fails(storage.del([entry]));
    if (name === "get") await fails(storage.get([CANARY]));
    if (name === "subscribe") await fails(storage.subscribe(CANARY, a));
    handler = undefined;
    assert.equal(redis.commands.length, redis.commands.some(([verb]) => verb === "eval") ? 2 : 1, name);
  }
});

test("a claim whose answer was lost is read back, with the holder that it replaced, and not repeated", async () => {
  const [storage, other] = makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const old = await claim(other, "alice", b);
  const before = await claim(storage, "warm", a);
  redis.commands.length = 0;
  handler = dropAnswersOf("set");
  const [alice, bob, again] = await storage.set(["alice", "bob", "alice"], a);
  handler = undefined;
  assert.equal(redis.counts()["set"], 1);
  assert.ok(alice?.claim && bob?.claim && again?.claim);
  assert.ok(before.claim < alice.claim && alice.claim < bob.claim && bob.claim < again.claim);
  assert.deepEqual(alice.previous, entryOf(old));
  assert.equal(bob.previous, undefined);
  assert.deepEqual(again.previous, { ...a, claim: alice.claim });
  assert.deepEqual(await other.get(["alice", "bob"]), [{ ...a, claim: again.claim }, { ...a, claim: bob.claim }]);
});

test("an ifAbsent claim whose answer was lost tells what was granted from what was refused", async () => {
  const [storage, other] = makeStorages();
  const [a, b] = [await livingHolder(other, A), await livingHolder(other, B)];
  const held = await claim(other, "alice", b);
  await claim(storage, "warm", a);
  handler = dropAnswersOf("set");
  const [refused, granted] = await storage.set(["alice", "bob"], a, { ifAbsent: true });
  handler = undefined;
  assert.deepEqual(refused, { claim: undefined, previous: entryOf(held) });
  assert.deepEqual(await other.get(["bob"]), [{ ...a, claim: granted?.claim }]);
});

test("a claim that never reached the storage rejects, even where the same life holds the id by an earlier claim", async () => {
  const [storage, other] = makeStorages();
  const a = await livingHolder(other, A);
  const held = await claim(storage, CANARY, a);
  handler = async (name, forward) => {
    if (name === "set") throw new Error("the request is lost");
    return forward();
  };
  await fails(storage.set([CANARY], a));
  handler = undefined;
  assert.deepEqual(await other.get([CANARY]), [entryOf(held)]);
});

test("a claim held up on its way for longer than its timeout never takes effect", async () => {
  const [storage, other] = makeStorages();
  const [a, b] = [newHolder(A), await livingHolder(other, B)];
  await storage.renew(a, LONG_MS);
  await claim(storage, "warm", a);
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<string>();
  handler = async (name, forward) => {
    if (name !== "set") return forward();
    await gate.promise;
    const response = await forward();
    arrived.resolve(await response.clone().text());
    return response;
  };
  await fails(storage.set([CANARY], a));
  gate.resolve();
  assert.match(await arrived.promise, /late/);
  handler = undefined;
  const [claimed] = await other.set([CANARY], b);
  assert.equal(claimed?.previous, undefined);
});

test("a storage whose clock is set forward refuses one attempt and no claim", async () => {
  const [storage, other] = makeStorages();
  const a = newHolder(A);
  await storage.renew(a, LONG_MS);
  await other.set(["warm"], a).catch(() => {});
  handler = async (name, forward) => {
    const response = await forward();
    if (name !== "renew") return response;
    const { result } = (await response.json()) as { result: string[] };
    result[2] = String(Number(result[2]) - 3_600_000);
    return Response.json({ result });
  };
  await storage.renew(a, LONG_MS);
  handler = undefined;
  redis.commands.length = 0;
  const entry = await claim(storage, "alice", a);
  assert.deepEqual(await storage.get(["alice"]), [entryOf(entry)]);
  assert.equal(redis.counts()["set"], 2);
});

test("a caller's signal ends the wait at once, and what the claim was granted is given back", async () => {
  const [storage, other] = makeStorages({ timeoutMs: 5_000 });
  const a = await livingHolder(other, A);
  const [arrived, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  handler = async (name, forward) => {
    const response = await forward();
    if (name !== "set") return response;
    arrived.resolve();
    await gate.promise;
    return response;
  };
  const stop = new AbortController();
  const setting = storage.set(["alice"], a, { signal: stop.signal });
  await arrived.promise;
  stop.abort();
  await assert.rejects(setting, withCode("canceled"));
  gate.resolve();
  await until("the claim to be given back", async () => (await other.get(["alice"]))[0] === undefined);
});

test("what an older life of a host left is cleared when a new one starts there", async () => {
  const [, storage] = makeStorages();
  await leaveOrphan(storage, newHolder(A));
  await storage.renew(newHolder(A), LONG_MS);
  await until("the older life to be cleared", async () => (await keysOf("held")) === 0);
});

test("what a life left that nobody cleared is cleared by any node's renewal", async () => {
  const [, other] = makeStorages();
  const orphan = newHolder(A);
  await leaveOrphan(other, orphan);
  await other.renew(orphan, 30);
  await until("the lease to end", async () => (await other.living()).length === 0);
  const storage = new RedisStorage(redis, `failure-${prefixes - 1}`, { timeoutMs: 5_000, orphanAfterMs: 0 });
  await storage.renew(newHolder(B), LONG_MS);
  await until("the orphan to be cleared", async () => (await keysOf("held")) === 0);
  assert.deepEqual(await listed(storage), []);
  assert.equal(await redis.command("ZCARD", `{failure-${prefixes - 1}}:leases`), 1);
});

async function leaveOrphan(storage: RedisStorage, holder: Holder): Promise<void> {
  await storage.renew(holder, LONG_MS);
  await storage.set(["alice", "bob"], holder);
  await storage.subscribe("news", holder);
}

async function keysOf(kind: string): Promise<number> {
  const keys = await redis.command("KEYS", `{failure-${prefixes - 1}}:${kind}*`);
  return Array.isArray(keys) ? keys.length : -1;
}

test("a script that the server forgot is sent again, and each call is one request otherwise", async () => {
  const [, storage] = makeStorages();
  const a = await livingHolder(storage, A);
  await storage.set(["alice"], a);
  await storage.get(["alice"]);
  await redis.command("SCRIPT", "FLUSH");
  await storage.get(["alice"]);
  redis.commands.length = 0;
  for (let round = 0; round < 10; round++) await storage.get(["alice"]);
  assert.deepEqual(redis.commands.map(([verb]) => verb), Array.from({ length: 10 }, () => "evalsha"));
});

test("after close every call rejects as failed_precondition, and the entries stay", async () => {
  const [storage, other] = makeStorages();
  const entry = await claim(other, "alice", await livingHolder(other, A));
  await storage.close();
  await assert.rejects(storage.get(["alice"]), withCode("failed_precondition"));
  assert.deepEqual(await other.get(["alice"]), [entryOf(entry)]);
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
  const [, storage] = makeStorages();
  for (
    const holder of [{ host: "a b:1", life: "x" }, { host: "", life: "x" }, { host: "a:1", life: "x y" }, {
      host: "a:1\n",
      life: "x",
    }]
  ) {
    await assert.rejects(storage.renew(holder, LONG_MS), withCode("invalid_argument"));
  }
});
