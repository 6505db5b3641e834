/** Health and reflection of the RPC port, by foreign clients on grpc-js. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { createToken } from "../../src/rpc/token.ts";
import { GrpcCode } from "../kit/grpc.ts";
import { startTool } from "../kit/grpc-tools.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { loadListen } from "../kit/servers.ts";

const SECRET = "a secret of more than thirty-two bytes, for health";
const SERVICES = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "meshsocket.node.v1.Node",
  "meshsocket.v1.Cluster",
  "websocket.Websocket",
];

async function startNode(storage: Storage = new MemoryStorage()): Promise<{ hub: DistHub; host: string }> {
  const hub = new DistHub({ storage, secret: SECRET, logger: silentLogger, leaseMs: 600 });
  const listen = await loadListen();
  const { host } = await listen(hub, { hostname: "127.0.0.1" });
  return { hub, host };
}

test("a health client without a token learns the status of the node and of each service", async () => {
  const { hub, host } = await startNode();
  try {
    const tool = startTool({ host, check: ["", ...SERVICES, "no.such.Service"] });
    for (let count = 0; count <= SERVICES.length; count++) {
      assert.deepEqual(await tool.next(), { code: GrpcCode.Ok, response: { status: "SERVING" } });
    }
    assert.deepEqual(await tool.next(), { code: GrpcCode.NotFound });
    await tool.ended;
  } finally {
    await hub.close();
  }
});

test("a health client that watches hears of an outage of the storage and of a drain", async () => {
  const storage = new MemoryStorage();
  let failing = false;
  const flaky = new Proxy(storage, {
    get: (target, name: keyof MemoryStorage) => {
      const method = target[name];
      if (name !== "renew") return typeof method === "function" ? method.bind(target) : method;
      return (...args: Parameters<MemoryStorage["renew"]>) =>
        failing ? Promise.reject(new Error("the storage is away")) : target.renew(...args);
    },
  });
  const { hub, host } = await startNode(flaky);
  const token = await createToken({ secret: SECRET, audience: host });
  const node = startTool({ host, token, watch: "" });
  const cluster = startTool({ host, token, watch: "meshsocket.v1.Cluster" });
  const unknown = startTool({ host, watch: "no.such.Service" });
  try {
    assert.deepEqual(
      [await node.next(), await cluster.next(), await unknown.next()],
      ["SERVING", "SERVING", "SERVICE_UNKNOWN"],
    );
    failing = true;
    assert.equal(await cluster.next(), "NOT_SERVING");
    failing = false;
    assert.equal(await cluster.next(), "SERVING");
    // A client that does not answer the close keeps the drain going.
    await MemoryClient.open(hub, { id: "alice" });
    const closed = hub.close({ drainMs: 500 });
    assert.deepEqual([await node.next(), await cluster.next()], ["NOT_SERVING", "NOT_SERVING"]);
    await closed;
    await Promise.all([node.ended, cluster.ended, unknown.ended]);
  } finally {
    for (const tool of [node, cluster, unknown]) tool.kill();
    await hub.close();
  }
});

for (const version of ["v1", "v1alpha"] as const) {
  test(`a client that knows nothing but reflection ${version} calls a method, if it has a token`, async () => {
    const { hub, host } = await startNode();
    try {
      await MemoryClient.open(hub, { id: "alice" });
      const discover = { version, method: "meshsocket.v1.Cluster/Online", request: { id: "alice" } };
      const token = await createToken({ secret: SECRET, audience: "cluster" });
      const tool = startTool({ host, token, discover });
      const { code, response, services } = await tool.next() as { code: number; response: object; services: string[] };
      assert.deepEqual([code, response], [GrpcCode.Ok, { online: true }]);
      assert.deepEqual(services.toSorted(), SERVICES);
      await tool.ended;
      const stranger = startTool({ host, discover });
      assert.deepEqual(await stranger.next(), { code: GrpcCode.Unauthenticated });
      await stranger.ended;
    } finally {
      await hub.close();
    }
  });
}

test("a watch ends with its caller", async () => {
  const { hub, host } = await startNode();
  const token = await createToken({ secret: SECRET, audience: host });
  try {
    for (let round = 0; round < 3; round++) {
      const tool = startTool({ host, token, watch: "" });
      assert.equal(await tool.next(), "SERVING");
      tool.kill();
      await tool.ended;
    }
  } finally {
    const startedAtMs = performance.now();
    await hub.close();
    assert.ok(performance.now() - startedAtMs < 900, "a call was left over");
  }
});
