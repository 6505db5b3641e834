import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { attach } from "../../adapters/node.ts";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { Events } from "../kit/wait.ts";

function newHub(): Hub {
  return new Hub({ logger: silentLogger });
}

/** A `node:http` server of the application, for the time of a test. */
async function serving(run: (server: Server, port: number) => Promise<void>): Promise<void> {
  const server = createServer((_, response) => void response.end("app"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  try {
    await run(server, (server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

async function statusOf(port: number, path: string): Promise<number> {
  const client = await RawClient.connect(port);
  client.handshake(path);
  const { status } = await client.head();
  client.socket.destroy();
  return status;
}

test("attach: hubs share a server, each on its path, and other paths are answered with 404", () => {
  return serving(async (server, port) => {
    const [one, two] = [newHub(), newHub()];
    attach(one, server, { path: "/one", session: () => ({}) });
    attach(two, server, { path: "/two", session: () => ({}) });
    const client = await TestClient.open(`ws://127.0.0.1:${port}/two`);
    assert.deepEqual([one.size, two.size], [0, 1]);
    await client.close();
    assert.equal(await statusOf(port, "/three"), 404);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/one`)).text(), "app");
    await Promise.all([one.close(), two.close()]);
  });
});

test("attach: upgrades on other paths are left to another listener", () => {
  return serving(async (server, port) => {
    const hub = newHub();
    server.on("upgrade", (request, socket) => {
      if (request.url === "/other") socket.end("HTTP/1.1 418 I'm a teapot\r\nconnection: close\r\n\r\n");
    });
    attach(hub, server, { path: "/ws", session: () => ({}) });
    assert.equal(await statusOf(port, "/other"), 418);
    assert.equal(await statusOf(port, "/ws"), 101);
    await hub.close();
  });
});

test("attach: a detached hub takes no more upgrades and keeps its clients", () => {
  return serving(async (server, port) => {
    const hub = newHub();
    const detach = attach(hub, server, { path: "/ws", session: () => ({ id: "a" }) });
    const client = await TestClient.open(`ws://127.0.0.1:${port}/ws`);
    detach();
    detach();
    server.on("upgrade", (_, socket) => socket.end("HTTP/1.1 418 I'm a teapot\r\nconnection: close\r\n\r\n"));
    assert.equal(await statusOf(port, "/ws"), 418);
    assert.equal(await hub.emit("a", "still here"), true);
    assert.equal(await client.next(), "still here");
    await client.close();
    await hub.close();
  });
});

test("attach: a reset while the session decides harms nobody", () => {
  return serving(async (server, port) => {
    const hub = newHub();
    const asked = new Events<() => void>("a session that is asked");
    attach(hub, server, {
      session: () => new Promise((resolve) => asked.add(() => resolve({}))),
    });
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    const decide = await asked.next();
    if (typeof client.socket.resetAndDestroy === "function") client.socket.resetAndDestroy();
    else client.socket.destroy();
    // The server has seen the reset when it has answered someone else.
    await fetch(`http://127.0.0.1:${port}/`);
    decide();
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "app");
    assert.equal(hub.size, 0);
    await hub.close();
  });
});

test("attach: bad options are a TypeError", () => {
  const hub = newHub();
  const bad: unknown[] = [undefined, {}, { session: "x" }, { session: () => ({}), path: "ws" }];
  for (const options of bad) {
    assert.throws(() => attach(hub, createServer(), options as never), { name: "TypeError", code: "invalid_argument" });
  }
});
