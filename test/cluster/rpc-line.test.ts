import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { LINE_PATH, LINE_PROTOCOL } from "../../src/link/byte-stream.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { onlineItem } from "../../src/link/items.ts";
import { DEFAULT_LIMITS } from "../../src/base/limits.ts";
import { Links } from "../../src/link/links.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { RpcListener, RpcOptions } from "../../src/hub/serve-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { createToken } from "../../src/rpc/token.ts";
import { transportTo } from "../../adapters/rpc/transport.ts";
import { selfSigned } from "../kit/certificate.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { RawClient } from "../kit/raw.ts";
import { runtime } from "../kit/runtime.ts";
import { loadListen } from "../kit/servers.ts";
import { freePort } from "../kit/free-port.ts";
import { TcpProxy } from "../kit/tcp-proxy.ts";
import { openToy } from "../kit/toy-rpc.ts";

const SECRET = "a secret of more than thirty-two bytes, for lines";
const rpcLimits = { readMaxBytes: 1_000_000, writeMaxBytes: 1_000_000 };

/** Nodes of one cluster, with RPC ports and no others. */
class Nodes implements AsyncDisposable {
  readonly #storage = new MemoryStorage();
  readonly #all: DistHub[] = [];

  async start(rpc: RpcOptions = {}): Promise<{ hub: DistHub; rpc: RpcListener }> {
    const hub = new DistHub({ storage: this.#storage, secret: SECRET, logger: silentLogger });
    this.#all.push(hub);
    const listen = await loadListen();
    return { hub, rpc: await listen(hub, { hostname: "127.0.0.1", ...rpc }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((hub) => hub.close()));
  }
}

/** A connection that asks for a line. */
async function askForLine(port: number, headers: Record<string, string | undefined>): Promise<RawClient> {
  const client = await RawClient.connect(port);
  client.handshake(LINE_PATH, {
    upgrade: LINE_PROTOCOL,
    "sec-websocket-version": undefined,
    "sec-websocket-key": undefined,
    ...headers,
  });
  return client;
}

test("a line opens for a token of this node, and for no other", async () => {
  await using nodes = new Nodes();
  const { rpc } = await nodes.start();
  const token = (audience: string, secret = SECRET): Promise<string> => createToken({ secret, audience });
  const statuses: [string | undefined, number][] = [
    [await token(rpc.host), 101],
    [undefined, 401],
    ["nonsense", 401],
    [await token("10.0.0.1:1"), 401],
    [await token("cluster"), 403],
    [await token(rpc.host, "another secret of more than thirty-two bytes"), 401],
  ];
  for (const [bearer, status] of statuses) {
    const authorization = bearer === undefined ? undefined : `Bearer ${bearer}`;
    const client = await askForLine(rpc.port, { authorization });
    assert.equal(await client.status(), status);
    client.socket.destroy();
  }
});

test("a line is refused to a page, to another protocol, to who asks without an upgrade and to who does not wait", async () => {
  await using nodes = new Nodes();
  const { rpc } = await nodes.start();
  const authorization = `Bearer ${await createToken({ secret: SECRET, audience: rpc.host })}`;
  const refused = async (headers: Record<string, string | undefined>): Promise<number> => {
    const client = await askForLine(rpc.port, { authorization, ...headers });
    const status = await client.status();
    await client.ended();
    return status;
  };
  assert.equal(await refused({ origin: "https://example.com" }), 403);
  assert.equal(await refused({ upgrade: "meshsocket-line-9" }), 426);
  assert.equal(await refused({ upgrade: undefined, connection: "close" }), 426);
  const eager = await RawClient.connect(rpc.port);
  eager.socket.write(
    `GET ${LINE_PATH} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: ${LINE_PROTOCOL}\r\n` +
      `authorization: ${authorization}\r\n\r\n\x01\x00\x00\x00\x01`,
  );
  assert.equal(await eager.status(), 400);
});

test("a line is cut by bytes that are no batch, and the node serves on", async () => {
  await using nodes = new Nodes();
  const { rpc, hub } = await nodes.start();
  const authorization = `Bearer ${await createToken({ secret: SECRET, audience: rpc.host })}`;
  for (const bytes of [[2, 0, 0, 0, 9, 9], [0xff, 0xff, 0xff, 0xff, 0]]) {
    const client = await askForLine(rpc.port, { authorization });
    assert.equal(await client.status(), 101);
    client.socket.write(Uint8Array.from(bytes));
    await client.ended();
  }
  const other = await nodes.start();
  await MemoryClient.open(hub, { id: "alice" });
  assert.equal(await other.hub.emit("alice", "still here"), true);
});

test("nodes reach each other over packed lines, with TLS on both sides too", async () => {
  const { cert, key } = selfSigned();
  for (const tls of [undefined, { cert, key, ca: cert, mutual: true }]) {
    await using nodes = new Nodes();
    const proxy = await TcpProxy.open();
    try {
      const a = await nodes.start({ ...(tls && { tls }) });
      const port = await freePort();
      proxy.target(port);
      const b = await nodes.start({ port, advertise: proxy.host, ...(tls && { tls }) });
      const alice = await MemoryClient.open(b.hub, { id: "alice" });
      assert.equal(await a.hub.emit("alice", "hi"), true);
      assert.equal(await alice.next(), "hi");
      const before = proxy.bytes;
      for (let count = 0; count < 100; count++) await a.hub.emit("alice", "x");
      // A message, its length, its kind, its batch and the answer: HTTP/2 or a chunked body need more.
      const each = (proxy.bytes - before) / 100;
      assert.ok(each < (tls ? 110 : 60), `${each} bytes for each message`);
    } finally {
      await proxy.close();
    }
  }
});

test("a node that takes no packed lines is reached by the Link call", async () => {
  const toy = await openToy();
  const links = new Links({
    limits: DEFAULT_LIMITS,
    transport: (host) => transportTo(host, { runtime, ...rpcLimits }),
    tokens: undefined,
    lines: "stream",
  });
  try {
    const call = links.call({ host: toy.host, life: "toy" }, onlineItem("alice"), performance.now() + 5_000);
    // The toy answers every batch as if it did not know its line.
    await assert.rejects(call, { code: "unknown" });
  } finally {
    links.close();
    await toy.close();
  }
});

test("a line outlives the time in which a connection must have shown a good token, and who shows none does not", async () => {
  const proofTimeoutMs = 300;
  const port = await openToy({
    proofTimeoutMs,
    openLine: (authorization) => {
      if (authorization === null) return Promise.reject(new MeshError("unauthenticated", "the token is missing"));
      return Promise.resolve({ maxBytes: 1_000, open() {}, data() {}, closed() {} });
    },
  });
  try {
    const [good, silent] = [
      await askForLine(port.port, { authorization: "Bearer good" }),
      await RawClient.connect(port.port),
    ];
    assert.equal(await good.status(), 101);
    await silent.ended();
    // The line is the older of the two.
    assert.equal(good.socket.readyState, "open");
    good.socket.destroy();
  } finally {
    await port.close();
  }
});
