/** How a node of a cluster starts, or says why it cannot; and what a failing handler ends, on the runtime of the test. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloseCode } from "../../src/base/close-code.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { MeshError } from "../../src/base/error.ts";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { ServeOptions } from "../../src/hub/serve-options.ts";
import type { Session } from "../../src/client/session.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { TestClient } from "../kit/client.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { isListening, loadListen, loadServe } from "../kit/servers.ts";
import { withCode } from "../kit/storage.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { Events, within } from "../kit/wait.ts";

const serve = await loadServe();
const listen = await loadListen();
const LOCAL: ServeOptions = { port: 0, hostname: "127.0.0.1", session: () => ({}), rpc: { hostname: "127.0.0.1" } };
let redis: TestRedis;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

function newHub(options: Partial<DistHubOptions> = {}): DistHub {
  return new DistHub({ storage: new RedisStorage(redis.target, "starting"), logger: silentLogger, ...options });
}

/** Fails unless a hub that could not start left nothing in the storage and nothing listening. */
async function assertNothingLeft(hub: DistHub, port?: number): Promise<void> {
  await hub.close();
  assert.deepEqual(await new RedisStorage(redis.target, "starting").living(), []);
  if (port !== undefined) assert.equal(await isListening(port), false);
}

async function usedPort(): Promise<{ port: number; close(): Promise<void> }> {
  const proxy = await TcpProxy.open();
  return { port: Number(proxy.host.split(":")[1]), close: () => proxy.close() };
}

const any = (value: unknown): never => value as never;

const BAD_RPC: readonly [what: string, rpc: unknown][] = [
  ["options that are none", 5],
  ["options that are null", null],
  ["a port out of range", { port: 65_536 }],
  ["a port below 0", { port: -1 }],
  ["a port that is no integer", { port: 80.5 }],
  ["a port as text", { port: "8081" }],
  ["an empty hostname", { hostname: "" }],
  ["a hostname that is no text", { hostname: 5 }],
  ["an address to advertise without a port", { hostname: "127.0.0.1", advertise: "127.0.0.1" }],
  ["an address to advertise that is a URL", { hostname: "127.0.0.1", advertise: "http://127.0.0.1:8081" }],
  ["an address to advertise that means any", { hostname: "127.0.0.1", advertise: "0.0.0.0:8081" }],
  ["an address to advertise that is no text", { hostname: "127.0.0.1", advertise: 5 }],
  ["tls without a key", { hostname: "127.0.0.1", tls: { cert: "x" } }],
  ["a certificate that is none", { hostname: "127.0.0.1", tls: { cert: "x", key: "y" } }],
  ["an authority that is no text", { hostname: "127.0.0.1", tls: { cert: "x", key: "y", ca: 5 } }],
];

for (const [what, rpc] of BAD_RPC) {
  test(`listen and serve reject ${what} for the RPC port with invalid_argument, and leave nothing`, async () => {
    const first = newHub();
    await assert.rejects(listen(first, any(rpc)), withCode("invalid_argument"));
    await assertNothingLeft(first);
    const second = newHub();
    await assert.rejects(serve(second, { ...LOCAL, rpc: any(rpc) }), withCode("invalid_argument"));
    await assertNothingLeft(second);
  });
}

test("listen rejects what is no DistHub, and serve an RPC port for a Hub, with invalid_argument", async () => {
  await using hub = new Hub({ logger: silentLogger });
  for (const bad of [hub, undefined, {}, 5]) {
    await assert.rejects(async () => await listen(any(bad)), withCode("invalid_argument"));
  }
  await assert.rejects(serve(hub, LOCAL), withCode("invalid_argument"));
  for (const bad of [undefined, null, {}, 5]) {
    await assert.rejects(
      async () => await serve(any(bad), { port: 0, session: () => ({}) }),
      withCode("invalid_argument"),
    );
  }
});

test("an RPC port open to other machines without a secret is refused, and says what to do", async () => {
  for (const hostname of ["0.0.0.0", "::", "10.0.0.5"]) {
    const hub = newHub();
    await assert.rejects(listen(hub, { hostname }), (error: unknown) => {
      assert.ok(error instanceof MeshError);
      assert.equal(error.code, "failed_precondition");
      assert.match(error.message, /secret.*127\.0\.0\.1/s);
      return true;
    });
    await assertNothingLeft(hub);
  }
});

test("without a secret a node listens on loopback only", async () => {
  await using hub = newHub();
  const { host } = await listen(hub);
  assert.match(host, /^127\.0\.0\.1:\d+$/);
});

test("a hub joins once: to listen or to serve it again is refused with failed_precondition, and the first goes on", async () => {
  await using hub = newHub();
  const first = await listen(hub, { hostname: "127.0.0.1" });
  await assert.rejects(listen(hub, { hostname: "127.0.0.1" }), withCode("failed_precondition"));
  await assert.rejects(serve(hub, LOCAL), withCode("failed_precondition"));
  const join = hub.join({ host: "127.0.0.1:9", transport: () => any(undefined) });
  await assert.rejects(join, withCode("failed_precondition"));
  assert.equal(hub.status, "ready");
  assert.deepEqual(hub.nodes().map(({ host }) => host), [first.host]);
  assert.equal(await isListening(first.port), true);
});

test("two starts of one hub at the same time make one node", async () => {
  await using hub = newHub();
  const both = await Promise.allSettled([
    listen(hub, { hostname: "127.0.0.1" }),
    listen(hub, { hostname: "127.0.0.1" }),
  ]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  assert.equal((await new RedisStorage(redis.target, "starting").living()).length, 1);
});

test("a closed hub does not start again: failed_precondition", async () => {
  const hub = newHub();
  await hub.close();
  await assert.rejects(listen(hub, { hostname: "127.0.0.1" }), withCode("failed_precondition"));
  await assertNothingLeft(hub);
});

test("an RPC port in use rejects with unavailable, and the hub can try another", async () => {
  const used = await usedPort();
  await using hub = newHub();
  try {
    await assert.rejects(listen(hub, { hostname: "127.0.0.1", port: used.port }), (error: unknown) => {
      assert.match((error as Error).message, /in use/);
      return withCode("unavailable")(error);
    });
    const { host } = await listen(hub, { hostname: "127.0.0.1" });
    assert.equal(hub.holder?.host, host);
  } finally {
    await used.close();
  }
});

test("a public port in use rejects with unavailable, after which the node has left the cluster", async () => {
  const used = await usedPort();
  const hub = newHub();
  try {
    await assert.rejects(serve(hub, { ...LOCAL, port: used.port }), withCode("unavailable"));
    await assertNothingLeft(hub);
  } finally {
    await used.close();
  }
});

test("a storage that cannot be reached rejects the start with unavailable, in time, and no port stays open", async () => {
  const proxy = await TcpProxy.open();
  await proxy.close();
  for (const url of [`http://${proxy.host}`, redis.url]) {
    const storage = new RedisStorage({ url, token: url === redis.url ? "wrong" : "token" }, "starting");
    const hub = newHub({ storage });
    const used = await usedPort();
    await used.close();
    const started = performance.now();
    await assert.rejects(
      serve(hub, { ...LOCAL, rpc: { hostname: "127.0.0.1", port: used.port } }),
      withCode("unavailable"),
    );
    assert.ok(performance.now() - started < 3_000);
    await assertNothingLeft(hub, used.port);
  }
});

type Failing = Pick<Session, "onConnect" | "onEvent" | "onDisconnect">;
const NO_ERROR: unknown = "the handler failed";
const FAILING: readonly [what: string, session: Failing][] = [
  ["an onConnect that throws", { onConnect: () => fail() }],
  ["an onConnect that rejects", { onConnect: () => Promise.reject(new Error("the handler failed")) }],
  ["an onEvent that throws", { onEvent: () => fail() }],
  ["an onEvent that rejects", { onEvent: () => Promise.reject(new Error("the handler failed")) }],
  ["an onEvent that throws late", {
    onEvent: () => new Promise((_, reject) => setTimeout(() => reject(new Error("the handler failed")), 5)),
  }],
  ["an onEvent that rejects with no Error", {
    onEvent: () => Promise.reject<unknown>(NO_ERROR),
  }],
];

function fail(): never {
  throw new Error("the handler failed");
}

for (const [what, failing] of FAILING) {
  test(`${what} closes its own client with 1011 and nobody else's, and reaches onError`, async () => {
    const errors = new Events<string>("an error of a handler");
    const hub = newHub();
    await using server = await serve(hub, {
      ...LOCAL,
      session(request) {
        const id = new URL(request.url).searchParams.get("id") ?? "";
        const onError: Session["onError"] = ({ id: of }, error) =>
          errors.add(`${of}: ${error.message} ${error.cause as string}`);
        return id === "failing"
          ? { id, ...failing, onError }
          : { id, onEvent: (client, text) => client.emit(text), onError };
      },
    });
    const url = server.url.replace("http", "ws");
    const calm = await TestClient.open(`${url}/?id=calm`);
    const client = await TestClient.open(`${url}/?id=failing`);
    if (failing.onEvent) client.send("x");
    assert.equal((await client.closed()).code, CloseCode.InternalError);
    assert.match(await errors.next(), /^failing: .*the handler failed/);
    calm.send("still here");
    assert.equal(await calm.next(), "still here");
    assert.deepEqual(errors.waiting, []);
    assert.equal(await hub.online("failing"), false);
    await calm.close();
  });
}

test("an onDisconnect that rejects and an onError that throws end nothing", async () => {
  const disconnects = new Events<string>("a disconnect");
  const hub = newHub();
  await using server = await serve(hub, {
    ...LOCAL,
    session: () => ({
      onDisconnect: () => {
        disconnects.add("gone");
        return Promise.reject(new Error("the handler failed"));
      },
      onError: () => fail(),
    }),
  });
  for (let round = 0; round < 2; round++) {
    const client = await TestClient.open(server.url.replace("http", "ws"));
    await client.close();
    await within("the disconnect", disconnects.next());
  }
  assert.equal(hub.status, "ready");
});

test("an error of sending in a handler reaches onError and does not close the client", async () => {
  const errors = new Events<unknown>("an error of a handler");
  const hub = newHub();
  await using server = await serve(hub, {
    ...LOCAL,
    session: () => ({
      onEvent: async (client, text) => {
        await client.emit(text);
        await client.emit("x".repeat(hub.limits.maxMessageBytes + 1));
      },
      onError: (_, error) => errors.add(error),
    }),
  });
  const client = await TestClient.open(server.url.replace("http", "ws"));
  client.send("one");
  client.send("two");
  assert.deepEqual([await client.next(), await client.next()], ["one", "two"]);
  for (let count = 0; count < 2; count++) assert.ok(withCode("resource_exhausted")(await errors.next()));
  await client.close();
});
