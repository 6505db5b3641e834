import assert from "node:assert/strict";
import { test } from "node:test";
import { SignJWT } from "jose";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { clusterNode, DistHub } from "../../src/distributed/dist-hub.ts";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { errorCode } from "../../src/base/error.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { RpcOptions, Server } from "../../src/hub/serve-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { ApiKey } from "../../src/rpc/access.ts";
import { createToken } from "../../src/rpc/token.ts";
import { selfSigned } from "../kit/certificate.ts";
import { TestClient } from "../kit/client.ts";
import { loadServe } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

const OLD = "the old secret of more than thirty-two bytes";
const NEW = "the new secret of more than thirty-two bytes";

interface TestNode {
  readonly hub: DistHub;
  readonly server: Server;
  readonly host: string;
}

/** Nodes of one cluster in this process, with real ports. */
class Nodes implements AsyncDisposable {
  readonly #storage = new MemoryStorage();
  readonly #all: TestNode[] = [];

  async start(options: Partial<DistHubOptions> = {}, rpc: RpcOptions = {}): Promise<TestNode> {
    const serve = await loadServe();
    const hub = new DistHub({ storage: this.#storage, secret: OLD, logger: silentLogger, ...options });
    const server = await serve(hub, {
      port: 0,
      hostname: "127.0.0.1",
      rpc: { hostname: "127.0.0.1", ...rpc },
      session: (request) => ({ id: new URL(request.url).searchParams.get("id") ?? undefined }),
    });
    const node = { hub, server, host: server.rpc?.host ?? "" };
    this.#all.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(({ server }) => server.close()));
  }
}

function transportTo(host: string, token: string | undefined): Transport {
  const plain = createFetchTransport({ baseUrl: `http://${host}`, readMaxBytes: 1_000_000, writeMaxBytes: 1_000_000 });
  return {
    unary: async (method, signal, timeoutMs, header, input, values) => {
      const headers = new Headers(header);
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      return await plain.unary(method, signal, timeoutMs, headers, input, values);
    },
    stream: plain.stream.bind(plain),
  };
}

/** A token of the cluster with these claims. */
async function signed(claims: Record<string, unknown>): Promise<string> {
  return await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(OLD));
}

async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
  return await call.then(() => undefined, (error: unknown) => ConnectError.from(error).code);
}

test("rotating the secret over three running nodes drops nothing", async () => {
  await using nodes = new Nodes();
  const [a, b, c] = [await nodes.start(), await nodes.start(), await nodes.start()];
  const alice = await TestClient.open(`${c.server.url.replace("http", "ws")}/?id=alice`);
  let [sending, sent] = [true, 0];
  const sender = (async () => {
    while (sending) {
      const number = sent++;
      assert.equal(await (number % 2 === 0 ? a : b).hub.emit("alice", String(number)), true);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  for (const secret of [[OLD, NEW], [NEW, OLD], NEW]) {
    for (const { hub } of [a, b, c]) {
      hub.setSecret(secret);
      const before = sent;
      await until("more messages", () => sent > before + 5);
    }
  }
  sending = false;
  await sender;
  // A node that starts now knows the new secret alone, and is dialled again.
  const late = await nodes.start({ secret: NEW });
  assert.equal(await late.hub.emit("alice", String(sent++)), true);
  for (let number = 0; number < sent; number++) assert.equal(await alice.next(), String(number));
  assert.equal(
    await codeOf(
      createClient(Cluster, transportTo(a.host, await createToken({ secret: OLD, audience: "cluster" }))).nodes({}),
    ),
    Code.Unauthenticated,
  );
  await alice.close();
});

test("a token opens one node: replayed at another, expired, forged and foreign ones are refused with their codes", async () => {
  await using nodes = new Nodes();
  const [a, b] = [await nodes.start(), await nodes.start()];
  const emitWith = (host: string, token: string): Promise<Code | undefined> =>
    codeOf(createClient(Websocket, transportTo(host, token)).emit({ id: "x" }));
  const emit = async (host: string, options: { secret?: string; audience: string }): Promise<Code | undefined> =>
    await emitWith(host, await createToken({ secret: OLD, ...options }));
  assert.equal(await emit(a.host, { audience: a.host }), undefined);
  assert.equal(await emit(b.host, { audience: a.host }), Code.Unauthenticated);
  assert.equal(await emit(a.host, { audience: a.host, secret: NEW }), Code.Unauthenticated);
  assert.equal(await emit(a.host, { audience: "cluster" }), Code.PermissionDenied);
  assert.equal(await emit(a.host, { audience: "elsewhere:1" }), Code.Unauthenticated);
  const now = Math.floor(Date.now() / 1_000);
  const good = { aud: a.host, iat: now - 60, exp: now + 60 };
  assert.equal(await emitWith(a.host, await signed(good)), undefined);
  // Clocks may differ by five seconds.
  for (const claims of [{ ...good, exp: now - 10 }, { aud: a.host, iat: now }, { iat: now, exp: now + 60 }]) {
    assert.equal(await emitWith(a.host, await signed(claims)), Code.Unauthenticated, JSON.stringify(claims));
  }
  const [head = "", body = "", signature = ""] = (await signed(good)).split(".");
  const unsigned = `${btoa(JSON.stringify({ alg: "none" })).replaceAll("=", "")}.${body}.`;
  for (const forged of [unsigned, `${unsigned}${signature}`, `${head}.${body}.${"A".repeat(43)}`]) {
    assert.equal(await emitWith(a.host, forged), Code.Unauthenticated, forged);
  }
  assert.equal(
    await codeOf(createClient(Websocket, transportTo(a.host, undefined)).emit({ id: "x" })),
    Code.Unauthenticated,
  );
});

test("a batch that is sent again gets its old answer and is not delivered again", async () => {
  await using nodes = new Nodes();
  const { hub, server, host } = await nodes.start();
  const alice = await TestClient.open(`${server.url.replace("http", "ws")}/?id=alice`);
  const node = createClient(Node, transportTo(host, await createToken({ secret: OLD, audience: host })));
  const batch = (number: bigint, text: string) => ({
    line: "attacker:1",
    toLife: clusterNode(hub).cluster.holder.life,
    number,
    items: [{ kind: { case: "emit" as const, value: { id: "alice", data: new TextEncoder().encode(text) } } }],
  });
  const first = await node.deliver(batch(1n, "once"));
  for (let again = 0; again < 3; again++) assert.deepEqual(await node.deliver(batch(1n, "once")), first);
  // Another message under an old number is not looked at.
  assert.deepEqual(await node.deliver(batch(1n, "another")), first);
  await node.deliver(batch(2n, "the next"));
  assert.deepEqual([await alice.next(), await alice.next()], ["once", "the next"]);
  await alice.close();
});

test("an API key opens its calls of the Cluster service and nothing else", async () => {
  await using nodes = new Nodes();
  const key = "the key of the shop, longer than thirty-two bytes";
  const node = await nodes.start({ apiKeys: [{ secret: key, calls: ["Emit", "Online"] }] });
  const transport = transportTo(node.host, await createToken({ secret: key, audience: "cluster" }));
  assert.equal((await createClient(Cluster, transport).online({ id: "nobody" })).online, false);
  assert.equal(await codeOf(createClient(Cluster, transport).broadcast({})), Code.PermissionDenied);
  assert.equal(await codeOf(createClient(Websocket, transport).online({ id: "nobody" })), Code.PermissionDenied);
  assert.throws(
    () => new DistHub({ storage: new MemoryStorage(), secret: OLD, apiKeys: [{ secret: OLD, calls: [] }] }),
    { code: "invalid_argument" },
  );
  assert.throws(
    () => new DistHub({ storage: new MemoryStorage(), secret: OLD, apiKeys: [{ secret: key, calls: ["Nope"] }] }),
    { code: "invalid_argument", message: /apiKeys\[0\]\.calls.*"Nope".*Emit/ },
  );
  for (const wrong of [{ secret: key }, { secret: key, calls: "Emit" }, { secret: key, calls: [1] }, "key", null]) {
    const apiKeys = [wrong] as unknown as ApiKey[];
    assert.throws(() => new DistHub({ storage: new MemoryStorage(), secret: OLD, apiKeys }), {
      code: "invalid_argument",
      message: /apiKeys\[0\]/,
    });
  }
});

test("a host that is not allowed is never dialled", async () => {
  await using nodes = new Nodes();
  const asked: string[] = [];
  const b = await nodes.start();
  const a = await nodes.start({ peers: (host) => (asked.push(host), false) });
  const client = await TestClient.open(`${b.server.url.replace("http", "ws")}/?id=bob`);
  await assert.rejects(a.hub.emit("bob", "hi"), (error) => errorCode(error) === "unavailable");
  assert.deepEqual(new Set(asked), new Set([b.host]));
  await client.close();
});

test("nodes with mutual TLS reach each other", async () => {
  await using nodes = new Nodes();
  const { cert, key } = selfSigned();
  const tls = { cert, key, ca: cert, mutual: true };
  const [a, b] = [await nodes.start({}, { tls }), await nodes.start({}, { tls })];
  const client = await TestClient.open(`${b.server.url.replace("http", "ws")}/?id=bob`);
  assert.equal(await a.hub.emit("bob", "hi"), true);
  assert.equal(await client.next(), "hi");
  await client.close();
  await assert.rejects(nodes.start({}, { tls: { cert, key, mutual: true } }), { code: "invalid_argument" });
});
