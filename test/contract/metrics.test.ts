/** The scrape of `serve({ metrics })`, on each runtime's own server, as Prometheus reads it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { silentLogger } from "../../src/base/log/logger.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { ServeOptions, Server } from "../../src/hub/serve-options.ts";
import { metricsHandler } from "../../src/metrics/prometheus.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { TestClient } from "../kit/client.ts";
import { promtool, samplesOf } from "../kit/promtool.ts";
import { loadServe, serveApp } from "../kit/servers.ts";

const serve = await loadServe();

/** Serves a new hub with these options, and an application that would answer everything. */
async function serving(options: Partial<ServeOptions>, run: (server: Server) => Promise<void>): Promise<void> {
  const hub = new Hub({ logger: silentLogger });
  const fetch = (): Response => new Response("app");
  await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session: () => ({}), fetch, ...options });
  await run(server);
}

test("metrics: a scrape is answered before the application, and a client on that path is a client", () => {
  return serving({ metrics: "/metrics" }, async ({ port, url }) => {
    const client = await TestClient.open(`ws://127.0.0.1:${port}/metrics`);
    const response = await fetch(`${url}/metrics`);
    assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.match(await response.text(), /^meshsocket_connects_total 1$/m);
    assert.equal(await (await fetch(url)).text(), "app");
    await client.close();
  });
});

test("metrics: with a token only those who send it read, and without the option nobody does", async () => {
  await serving({ metrics: { path: "/numbers", token: "open sesame" } }, async ({ url }) => {
    assert.equal((await fetch(`${url}/numbers`)).status, 401);
    const headers = { authorization: "Bearer open sesame" };
    assert.equal((await fetch(`${url}/numbers`, { headers })).status, 200);
    assert.equal(await (await fetch(`${url}/metrics`)).text(), "app");
  });
  await serving({}, async ({ url }) => assert.equal(await (await fetch(`${url}/metrics`)).text(), "app"));
});

test("metrics: Prometheus' own parser accepts the scrape of a node of a cluster, and has nothing to say about names", async () => {
  const storage = new MemoryStorage();
  const start = async (): Promise<Server> => {
    const hub = new DistHub({ storage, logger: silentLogger });
    const session = (request: Request): { id: string } => ({ id: new URL(request.url).searchParams.get("id") ?? "" });
    const rpc = { hostname: "127.0.0.1" };
    return await serve(hub, { port: 0, hostname: "127.0.0.1", session, rpc, metrics: "/metrics" });
  };
  await using one = await start();
  await using other = await start();
  const client = await TestClient.open(`ws://127.0.0.1:${other.port}/?id=alice`);
  const text = await (await fetch(`${one.url}/metrics`)).text();
  assert.equal(promtool(["check", "metrics"], text), "");
  const value = (name: string): number | undefined => samplesOf(text).find((sample) => sample.name === name)?.value;
  assert.equal(value("meshsocket_cluster_nodes"), 2);
  assert.ok((value("meshsocket_lease_remaining_seconds") ?? 0) > 1);
  assert.throws(() => promtool(["check", "metrics"], "meshsocket_bad{ 1\n"), /promtool/);
  await client.close();
});

test("metrics: an application of Hono mounts the handler as its own", async () => {
  const hub = new Hub({ logger: silentLogger });
  const metrics = metricsHandler(hub);
  const app = new Hono();
  app.get("/metrics", (c) => metrics(c.req.raw) ?? c.notFound());
  const server = await serveApp(hub, app);
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    assert.match(await response.text(), /^meshsocket_status\{status="ready"\} 1$/m);
  } finally {
    await hub.close();
    await server.stop();
  }
});

const BAD: [name: string, options: Partial<ServeOptions>, says: RegExp][] = [
  ["true", { metrics: true as never }, /metrics must be a path such as "\/metrics".*not a boolean/],
  ["a path without a slash", { metrics: "metrics" }, /metrics\.path must begin with/],
  ["the path of WebSockets", { path: "/ws", metrics: "/ws" }, /a path of its own, and "\/ws" is taken/],
  ["the path of a probe", { health: true, metrics: "/livez" }, /a path of its own, and "\/livez" is taken/],
  ["a forgotten token", { metrics: { token: undefined as never } }, /metrics\.token is undefined/],
];
for (const [name, options, says] of BAD) {
  test(`metrics: ${name} rejects with invalid_argument`, async () => {
    const hub = new Hub({ logger: silentLogger });
    const session = (): object => ({});
    await assert.rejects(serve(hub, { port: 0, hostname: "127.0.0.1", session, ...options }), (error: unknown) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.equal((error as { code?: unknown }).code, "invalid_argument");
      assert.match(error.message, says);
      return true;
    });
    await hub.close();
  });
}
