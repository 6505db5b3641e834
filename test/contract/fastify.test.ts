/** A hub on the server of a Fastify app. */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import Fastify from "fastify";
import { attach } from "../../adapters/node.ts";
import { CloseCode } from "../../src/base/close-code.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";

test("a Fastify app shares its server with a hub, and closes once its preClose hook closed the hub", async () => {
  const hub = new Hub({ logger: silentLogger });
  const app = Fastify();
  app.get("/hello", () => "app");
  app.addHook("preClose", () => hub.close());
  attach(hub, app.server, { path: "/ws", session: () => ({ onEvent: (client, message) => client.emit(message) }) });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = app.server.address() as AddressInfo;
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/hello`)).text(), "app");
  const clients = await Promise.all([1, 2, 3].map(() => TestClient.open(`ws://127.0.0.1:${port}/ws`)));
  for (const client of clients) {
    client.ws.send("hi");
    assert.equal(await client.next(), "hi");
  }
  const elsewhere = await RawClient.connect(port);
  elsewhere.handshake("/other");
  assert.equal((await elsewhere.head()).status, 404);
  elsewhere.socket.destroy();
  const started = performance.now();
  await app.close();
  assert.ok(performance.now() - started < 5_000);
  assert.deepEqual(await Promise.all(clients.map(async (client) => (await client.closed()).code)), [
    CloseCode.ServiceRestart,
    CloseCode.ServiceRestart,
    CloseCode.ServiceRestart,
  ]);
  assert.equal(hub.status, "closed");
});
