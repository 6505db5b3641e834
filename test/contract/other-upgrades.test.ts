/** Requests that offer an upgrade to another protocol are answered as if they did not (RFC 9110 section 7.8). */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { createToken } from "../../src/rpc/token.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { RawClient } from "../kit/raw.ts";
import { runtime } from "../kit/runtime.ts";
import { loadServe, serveBun, serveNode, type TestServer, ways } from "../kit/servers.ts";
import { within } from "../kit/wait.ts";

/** Java's HttpClient and `curl --http2`; Apache's HttpClient; a browser's other offers. */
const OFFERS: readonly (readonly [upgrade: string, connection: string, more: string])[] = [
  ["h2c", "Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"],
  ["TLS/1.2", "Upgrade", ""],
  ["h2c, TLS/1.3", "keep-alive, upgrade", ""],
];

/** Sends a request with each part of its body in a packet of its own; resolves with the whole answer. */
async function ask(port: number, method: string, path: string, offer: typeof OFFERS[number], ...body: string[]) {
  const [upgrade, connection, more] = offer;
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let answer = "";
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      answer += String(chunk);
      if (/got \d+ bytes/.test(answer)) resolve();
    });
    socket.on("close", () => resolve());
    socket.on("error", () => resolve());
  });
  const length = body.join("").length;
  const lengthHeader = method === "GET" ? "" : `Content-Length: ${length}\r\n`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: ${connection}\r\n` +
    `Upgrade: ${upgrade}\r\n${more}${lengthHeader}\r\n`;
  const [first = "", ...rest] = body;
  socket.write(head + first);
  for (const part of rest) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(part);
  }
  await within("an answer", answered);
  socket.destroy();
  return answer;
}

const app = async (request: Request): Promise<Response> =>
  new Response(`${request.method} got ${(await request.text()).length} bytes`);

async function assertServed(port: number): Promise<void> {
  for (const offer of OFFERS) {
    for (const path of ["/x", "/ws"]) {
      assert.match(await ask(port, "GET", path, offer), /^HTTP\/1\.1 200 [^]*GET got 0 bytes/, `GET ${offer[0]}`);
      assert.match(await ask(port, "POST", path, offer, "hello"), /200 [^]*POST got 5 bytes/, `POST ${offer[0]}`);
      assert.match(await ask(port, "POST", path, offer, "he", "llo"), /200 [^]*POST got 5 bytes/, `split ${offer[0]}`);
    }
  }
}

test("serve: another offer reaches fetch with its body", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const serve = await loadServe();
  const server = await serve(hub, { port: 0, hostname: "127.0.0.1", path: "/ws", session: () => ({}), fetch: app });
  await assertServed(server.port);
});

/** An application's own server to which a hub was attached: of `node:http`, or on Bun its own. */
async function startOwn(hub: Hub): Promise<TestServer> {
  if (runtime === "bun") {
    const { upgradeHandler } = await import("../../adapters/bun.ts");
    const handler = upgradeHandler(hub, { path: "/ws", session: () => ({}) });
    return serveBun(
      async (request, server) => (await handler.fetch(request, server)) ?? app(request),
      handler.websocket,
    );
  }
  const { attach } = await import("../../adapters/node.ts");
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Uint8Array) => (bytes += chunk.byteLength));
    request.on("end", () => response.end(`${request.method} got ${bytes} bytes`));
  });
  attach(hub, server, { path: "/ws", session: () => ({}) });
  return await serveNode(server.listen(0, "127.0.0.1"));
}

test("own server: another offer reaches the application with its body", async () => {
  const hub = new Hub({ logger: silentLogger });
  const server = await startOwn(hub);
  try {
    await assertServed(server.port);
  } finally {
    await hub.close();
    await server.stop();
  }
});

test("publicRpc: a call with another offer is answered", async () => {
  const secret = "a secret of more than thirty-two bytes";
  await using hub = new DistHub({ storage: new MemoryStorage(), secret, logger: silentLogger });
  const serve = await loadServe();
  const options = {
    port: 0,
    hostname: "127.0.0.1",
    session: () => ({}),
    publicRpc: true,
    rpc: { hostname: "127.0.0.1" },
  };
  const server = await serve(hub, options);
  const token = await createToken({ secret, audience: "cluster" });
  const offer = [
    "h2c",
    "Upgrade",
    `Content-Type: application/json\r\nConnect-Protocol-Version: 1\r\nAuthorization: Bearer ${token}\r\n`,
  ] as const;
  const client = await RawClient.connect(server.port);
  const body = '{"id":"x"}';
  client.socket.write(
    `POST /meshsocket.v1.Cluster/Online HTTP/1.1\r\nHost: a\r\nConnection: ${offer[1]}\r\nUpgrade: ${offer[0]}\r\n` +
      `${offer[2]}Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  assert.equal((await client.head()).status, 200);
  client.socket.destroy();
});

for (const way of ways) {
  test(`${way.name}: a handshake whose Upgrade header was lost is answered with 426`, async () => {
    const hub = new Hub({ logger: silentLogger });
    const server = await way.start(hub, () => ({}));
    try {
      const lost = [{ upgrade: undefined, connection: "close" }, { upgrade: undefined }];
      for (const headers of way.name === "serve" || runtime !== "node" ? lost : []) {
        const client = await RawClient.connect(server.port);
        client.handshake("/ws", headers);
        const { status, headers: answered } = await client.head();
        assert.equal(status, 426, JSON.stringify(headers));
        assert.equal(answered.get("upgrade"), "websocket");
        client.socket.destroy();
      }
      assert.equal(hub.size, 0);
    } finally {
      await hub.close();
      await server.stop();
    }
  });
}

test("serve: without a fetch the path of upgrades answers 426, and other paths 404", async () => {
  await using hub = new Hub({ logger: silentLogger });
  const serve = await loadServe();
  const { url } = await serve(hub, { port: 0, hostname: "127.0.0.1", path: "/ws", session: () => ({}) });
  assert.equal((await fetch(`${url}/ws`)).status, 426);
  assert.equal((await fetch(`${url}/other`)).status, 404);
});
