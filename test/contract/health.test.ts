/** The probes of `serve({ health })`, on each runtime's own server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { healthHandler, type HealthOptions } from "../../src/hub/health.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { ServeOptions, Server } from "../../src/hub/serve-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { runtime } from "../kit/runtime.ts";
import { serveFetch } from "../kit/serve-fetch.ts";
import { loadServe } from "../kit/servers.ts";

const serve = await loadServe();
const session = (): { onEvent: (client: { emit(message: string | Uint8Array): unknown }) => void } => ({
  onEvent: (client) => void client.emit("hello"),
});

/** Serves a new hub with these options, and an application that would answer everything. */
async function serving(options: Partial<ServeOptions>, run: (server: Server) => Promise<void>): Promise<void> {
  const hub = new Hub({ logger: silentLogger });
  const fetch = (): Response => new Response("app");
  await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session, fetch, ...options });
  await run(server);
}

test("health: probes are answered before the application, over GET and HEAD", () => {
  return serving({ path: "/ws", health: true }, async ({ url }) => {
    for (const path of ["/livez", "/readyz"]) {
      const response = await fetch(`${url}${path}`);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal(((await response.json()) as { status: string }).status, "ready");
      const head = await fetch(`${url}${path}`, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      assert.equal((await fetch(`${url}${path}`, { method: "POST", body: "x" })).status, 405);
    }
    assert.equal(await (await fetch(url)).text(), "app");
  });
});

test("health: without the option, and with false, the paths are the application's", async () => {
  for (const options of [{}, { health: false }]) {
    await serving(options, async ({ url }) => {
      assert.equal(await (await fetch(`${url}/livez`)).text(), "app");
      assert.equal(await (await fetch(`${url}/readyz`)).text(), "app");
    });
  }
});

test("health: an upgrade is never answered by a probe where WebSockets are on every path", () => {
  return serving({ health: true }, async ({ port, url }) => {
    for (const path of ["/livez", "/readyz"]) {
      const client = await TestClient.open(`ws://127.0.0.1:${port}${path}`);
      client.send("hi");
      assert.equal(await client.next(), "hello");
      await client.close();
      assert.equal((await fetch(`${url}${path}`)).status, 200);
    }
  });
});

test("health: chosen paths leave the default ones to the application", () => {
  return serving({ health: { livez: "/up", readyz: "/health/ready" } }, async ({ url }) => {
    assert.equal((await (await fetch(`${url}/up`)).json() as { live: boolean }).live, true);
    assert.equal((await (await fetch(`${url}/health/ready`)).json() as { ready: boolean }).ready, true);
    assert.equal(await (await fetch(`${url}/readyz`)).text(), "app");
  });
});

test("health: a probe as old balancers send it, over HTTP/1.0 and without a Host, is answered", () => {
  return serving({ health: true }, async ({ port }) => {
    for (const request of ["GET /readyz HTTP/1.0\r\n\r\n", "GET /readyz HTTP/1.1\r\nHost: 10.0.0.5:8080\r\n\r\n"]) {
      const client = await RawClient.connect(port);
      client.socket.write(request);
      assert.equal(await client.status(), 200, request);
      assert.match(await client.body(40), /"status":"ready"/);
      client.socket.destroy();
    }
  });
});

test("health: in a server of one's own a DistHub that never listens is alive, and not ready over any version of HTTP", async () => {
  await using hub = new DistHub({ storage: new MemoryStorage(), logger: silentLogger });
  const health = healthHandler(hub);
  const server = await serveFetch((request) => Promise.resolve(health(request) ?? new Response("app")));
  try {
    assert.equal((await fetch(`${server.url}/livez`)).status, 200);
    assert.equal(await (await fetch(`${server.url}/`)).text(), "app");
    const requests = ["GET /readyz HTTP/1.1\r\nHost: 10.0.0.5\r\n\r\n", "GET /readyz HTTP/1.0\r\nHost: a\r\n\r\n"];
    // On Node it is Hono's server that serves here, which itself refuses a request without a Host.
    if (runtime !== "node") requests.push("GET /readyz HTTP/1.0\r\n\r\n");
    for (const request of requests) {
      const client = await RawClient.connect(Number(new URL(server.url).port));
      client.socket.write(request);
      assert.equal(await client.status(), 503, request);
      assert.match(await client.body(100), /"status":"starting".*"reason":"the hub has not joined/);
      client.socket.destroy();
    }
  } finally {
    await server.stop();
  }
});

const BAD: [name: string, options: Partial<ServeOptions>, says: RegExp][] = [
  ["health that is text", { health: "/health" as unknown as boolean }, /health must be true, false, or an object/],
  ["a null", { health: null as unknown as boolean }, /health must be true, false, or an object.*not null/],
  ["an unknown probe", { health: { ready: "/x" } as HealthOptions }, /unknown option "health\.ready".*readyz/],
  ["a probe that is no path", { health: { livez: "live" } }, /health\.livez must begin with/],
  ["one path for both", { health: { livez: "/x", readyz: "/x" } }, /two paths/],
  ["the path of WebSockets", { path: "/ws", health: { readyz: "/ws" } }, /path and health must differ.*"\/ws"/],
  ["WebSockets on the path of a probe", { path: "/livez", health: true }, /path and health must differ.*"\/livez"/],
];
for (const [name, options, says] of BAD) {
  test(`health: ${name} rejects with invalid_argument`, async () => {
    const hub = new Hub({ logger: silentLogger });
    await assert.rejects(serve(hub, { port: 0, hostname: "127.0.0.1", session, ...options }), (error: unknown) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.equal((error as { code?: unknown }).code, "invalid_argument");
      assert.match(error.message, says);
      return true;
    });
    await hub.close();
  });
}
