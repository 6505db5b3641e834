/** Every bag of options of every public function refuses a field that it does not know, and names it. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { connect } from "../../client/index.ts";
import { upgrade } from "../../adapters/hono.ts";
import { verifyBearer } from "../../src/door/auth.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { errorCode } from "../../src/base/error.ts";
import { Hub } from "../../src/hub/hub.ts";
import { healthHandler } from "../../src/hub/health.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { RedisHistory } from "../../src/history/redis.ts";
import { MemoryHistory } from "../../src/history/memory.ts";
import { createToken } from "../../src/rpc/token.ts";
import { MemoryClient } from "../../src/testing/memory-client.ts";
import { MemoryCluster } from "../../src/testing/memory-cluster.ts";
import { upgradeRequest } from "../kit/memory-client.ts";
import { runtime } from "../kit/runtime.ts";
import { loadListen, loadServe } from "../kit/servers.ts";

/** A call with a bag of options that has one field too many; a getter that the test fails on would be `undefined`. */
type Call = readonly [name: string, call: (bag: never) => unknown];

/** The field that no function knows. */
const STRAY = "strayField";

/** The stray field among good ones. */
function bag(good: object = {}): never {
  return { ...good, [STRAY]: 1 } as never;
}

const storage = new MemoryStorage();
const session = () => ({});
const url = "http://127.0.0.1:9";
const redis = "redis://127.0.0.1:6379";
const secret = "s".repeat(32);

const MADE: readonly Call[] = [
  ["Hub", (stray) => new Hub(stray)],
  ["Hub limits", (limits) => new Hub({ limits })],
  ["Hub trustProxy", (stray) => new Hub({ trustProxy: bag({ hops: 1, ...(stray as object) }) })],
  ["Hub resume", (resume) => new Hub({ resume })],
  ["DistHub", () => new DistHub(bag({ storage }))],
  ["DistHub apiKeys", () => new DistHub({ storage, secret, apiKeys: [bag({ secret: "k", calls: ["Emit"] })] })],
  ["DistClient by url", () => new DistClient(bag({ url }))],
  ["DistClient by storage", () => new DistClient(bag({ storage }))],
  ["RedisStorage", (stray) => new RedisStorage(redis, "p", stray)],
  ["RedisStorage over HTTP", () => new RedisStorage(bag({ url, token: "t" }))],
  ["RedisStorage over TCP", () => new RedisStorage(bag({ url: redis }))],
  [
    "RedisStorage by Sentinels",
    () => new RedisStorage(bag({ name: "a", sentinelRootNodes: [{ host: "a", port: 1 }] })),
  ],
  [
    "RedisStorage of a Sentinel's primary",
    (nodeClientOptions) =>
      new RedisStorage({ name: "a", sentinelRootNodes: [{ host: "a", port: 1 }], nodeClientOptions }),
  ],
  ["RedisStorage in a Redis Cluster", () => new RedisStorage(bag({ rootNodes: [{ url: redis }] }))],
  ["RedisStorage of all nodes", (defaults) => new RedisStorage({ rootNodes: [{ url: redis }], defaults })],
  ["RedisHistory", (stray) => new RedisHistory(redis, "p", stray)],
  ["RedisHistory over HTTP", () => new RedisHistory(bag({ url, token: "t" }))],
  ["EtcdStorage", () => new EtcdStorage(bag({ endpoints: url }))],
  ["MemoryHistory", (stray) => new MemoryHistory(stray)],
  ["MemoryCluster", (stray) => new MemoryCluster(stray)],
  ["connect", (stray) => connect("ws://127.0.0.1:9", stray)],
  ["healthHandler", (stray) => healthHandler(new Hub(), stray)],
  ["createToken", () => createToken(bag({ secret, audience: "cluster" }))],
  ["verifyBearer", () => verifyBearer(upgradeRequest(), bag({ key: secret }))],
];

test("every constructor and function refuses an option that it does not know, and names it", async () => {
  assert.deepEqual(await accepted(MADE), []);
});

test("every verb refuses an option that it does not know, and names it", async () => {
  await using hub = new Hub({ logger: silentLogger });
  using dist = new DistClient({ url, logger: silentLogger });
  await MemoryClient.open(hub, { id: "alice" });
  const client = hub.client("alice");
  assert.ok(client);
  const user = hub.user("alice");
  const ofAll = [hub, dist].flatMap((sender): Call[] => [
    ["emit", (stray) => sender.emit("alice", "x", stray)],
    ["online", (stray) => sender.online("alice", stray)],
    ["broadcast", (stray) => sender.broadcast("x", stray)],
    ["publish", (stray) => sender.publish("t", "x", stray)],
    ["request", (stray) => sender.request("alice", "x", stray)],
    ["subscribe", (stray) => sender.subscribe("alice", "t", stray)],
    ["unsubscribe", (stray) => sender.unsubscribe("alice", "t", stray)],
    ["members", (stray) => sender.members("t", stray)],
    ["count", (stray) => sender.count("t", stray)],
    ["disconnect", (stray) => sender.disconnect("alice", 4000, "", stray)],
  ]);
  const others: readonly Call[] = [
    ["hub.close", (stray) => hub.close(stray)],
    ["hub.watchPresence", (stray) => hub.watchPresence("t", stray)],
    ["dist.nodes", (stray) => dist.nodes(stray)],
    ["client.emit", (stray) => client.emit("x", stray)],
    ["client.request", (stray) => client.request("x", stray)],
    ["client.broadcast", (stray) => client.broadcast("x", stray)],
    ["client.publish", (stray) => client.publish("t", "x", stray)],
    ["client.subscribe", (stray) => client.subscribe("t", stray)],
    ["client.unsubscribe", (stray) => client.unsubscribe("t", stray)],
    ["user.emit", (stray) => user.emit("x", stray)],
    ["user.online", (stray) => user.online(stray)],
    ["user.clients", (stray) => user.clients(stray)],
    ["user.disconnect", (stray) => user.disconnect(4000, "", stray)],
    ["user.request", (stray) => user.request("x", stray)],
  ];
  assert.deepEqual(await accepted([...ofAll, ...others]), []);
});

test("every server of this runtime refuses an option that it does not know, and names it", async () => {
  await using hub = new Hub({ logger: silentLogger });
  await using node = new DistHub({ storage, logger: silentLogger });
  const [serve, listen] = [await loadServe(), await loadListen()];
  const calls: Call[] = [
    ["serve", () => serve(hub, bag({ port: 0, session }))],
    ["serve health", (health) => serve(hub, { port: 0, session, health })],
    ["serve rpc", (rpc) => serve(node, { port: 0, session, rpc })],
    ["serve tls", () => serve(hub, { port: 0, session, tls: bag({ cert: "c", key: "k" }) })],
    ["serve rpc tls", () => serve(node, { port: 0, session, rpc: { tls: bag({ cert: "c", key: "k" }) } })],
    ["listen", (rpc) => listen(node, rpc)],
  ];
  const adapters = await import(`../../adapters/${runtime}.ts`) as Record<string, (...args: unknown[]) => unknown>;
  if (adapters["attach"]) calls.push(["attach", () => adapters["attach"]?.(hub, createServer(), bag({ session }))]);
  if (adapters["upgradeHandler"]) {
    calls.push(["upgradeHandler", () => adapters["upgradeHandler"]?.(hub, bag({ session }))]);
  }
  assert.deepEqual(await accepted(calls), []);
});

test("an upgrade refuses a field of a session that it does not know", async () => {
  await using hub = new Hub({ logger: silentLogger });
  assert.throws(() => upgrade(hub, bag()), withName(/session/));
  const errors: unknown[] = [];
  hub.on("refused", ({ error }) => errors.push(error));
  await hub.admit(upgradeRequest(), () => bag(), { remoteAddress: "" });
  assert.match(String(errors[0]), new RegExp(STRAY));
});

function withName(name: RegExp): (error: unknown) => boolean {
  return (error) => errorCode(error) === "invalid_argument" && name.test(String(error));
}

/** The calls that were accepted, or refused without the name of the field. */
async function accepted(calls: readonly Call[]): Promise<string[]> {
  const found: string[] = [];
  for (const [name, call] of calls) {
    try {
      await call(bag());
      found.push(`${name}: accepted`);
    } catch (error) {
      if (!(error instanceof TypeError) || !withName(new RegExp(STRAY))(error)) found.push(`${name}: ${String(error)}`);
    }
  }
  return found;
}
