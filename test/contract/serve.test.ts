import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { MeshError } from "../../src/base/error.ts";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { ServeOptions, Server } from "../../src/hub/serve-options.ts";
import { selfSigned } from "../kit/certificate.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { isListening, loadServe } from "../kit/servers.ts";
import { root } from "../meta/source.ts";
import { until } from "../kit/until.ts";
import { Events, within } from "../kit/wait.ts";

const serve = await loadServe();
const session = (): {
  onEvent: (client: { emit(message: string | Uint8Array): unknown }, message: string | Uint8Array) => void;
} => ({
  onEvent: (client, message) => void client.emit(message),
});

function newHub(): Hub {
  return new Hub({ logger: silentLogger });
}

/** Serves a new hub on a free port for the time of a test. */
async function serving(
  options: Partial<ServeOptions>,
  run: (server: Server, hub: Hub) => Promise<void>,
): Promise<void> {
  const hub = newHub();
  await using server = await serve(hub, { port: 0, hostname: "127.0.0.1", session, ...options });
  await run(server, hub);
}

test("serve: url and port tell where it listens", () => {
  return serving({}, async (server) => {
    assert.ok(server.port > 0);
    assert.equal(server.url, `http://127.0.0.1:${server.port}`);
    assert.equal(server.rpc, undefined);
    const client = await TestClient.open(server.url.replace("http", "ws"));
    client.send("hi");
    assert.equal(await client.next(), "hi");
    await client.close();
  });
});

test("serve: by default it listens on every address and the url is one that works", () => {
  return serving({ hostname: "0.0.0.0" }, async (server) => {
    assert.equal(server.hostname, "0.0.0.0");
    assert.equal((await fetch(server.url)).status, 404);
  });
});

test("serve: close is hub.close and frees the port", async () => {
  const hub = newHub();
  const server = await serve(hub, { port: 0, hostname: "127.0.0.1", session });
  const client = await TestClient.open(server.url.replace("http", "ws"));
  const kept = await fetch(server.url);
  await kept.text();
  await within("the close", server.close());
  assert.equal((await client.closed()).code, 1012);
  assert.equal(hub.status, "closed");
  assert.equal(await isListening(server.port), false);
  await server.close();
});

test("serve: close takes the options of hub.close", async () => {
  const hub = newHub();
  const server = await serve(hub, { port: 0, hostname: "127.0.0.1", session });
  await assert.rejects(server.close({ drainMs: -1 }), { code: "invalid_argument", message: /drainMs/ });
  const closed = server.close({ announceMs: 300 });
  assert.equal(hub.status, "draining");
  assert.equal((await fetch(server.url)).status, 404, "it still serves");
  await closed;
});

test("serve: closing the hub closes the server", async () => {
  const hub = newHub();
  const server = await serve(hub, { port: 0, hostname: "127.0.0.1", session });
  await hub.close();
  assert.equal(await isListening(server.port), false);
});

test("serve: while it closes each answer is the last of its connection, so that a proxy sends nothing into a closing port", async () => {
  const hub = new Hub({ logger: silentLogger });
  const answers = [() => new Response("app"), () => Response.redirect("http://localhost/")];
  const server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    session: () => ({}),
    fetch: (request) => answers[Number(new URL(request.url).searchParams.get("n"))]?.() ?? new Response(null),
  });
  const ask = async (client: RawClient, number: number): Promise<string | null> => {
    client.socket.write(`GET /?n=${number} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    const { headers } = await client.head();
    await client.body(Number(headers.get("content-length") ?? 0));
    return headers.get("connection");
  };
  const clients = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
  for (const [number, client] of clients.entries()) assert.notEqual(await ask(client, number), "close");
  const closed = hub.close({ announceMs: 300 });
  for (const [number, client] of clients.entries()) {
    const fresh = await RawClient.connect(server.port);
    assert.equal(await ask(fresh, number), "close");
    await fresh.ended();
    client.socket.destroy();
  }
  await closed;
});

test("serve: a port in use rejects with unavailable and says what to do", () => {
  return serving({}, async (server) => {
    const second = newHub();
    await assert.rejects(serve(second, { port: server.port, hostname: "127.0.0.1", session }), (error: unknown) => {
      assert.ok(error instanceof MeshError);
      assert.equal(error.code, "unavailable");
      assert.match(error.message, new RegExp(`${server.port}.*in use.*another port`));
      assert.ok(error.cause);
      return true;
    });
    await second.close();
  });
});

const BAD: [name: string, options: unknown, says: RegExp][] = [
  ["no options", undefined, /options/],
  ["no session", { port: 0 }, /session/],
  ["a port out of range", { port: 65_536, session }, /port/],
  ["a port that is no integer", { port: 80.5, session }, /port/],
  ["a port as text", { port: "8080", session }, /port/],
  ["a path without a slash", { port: 0, path: "ws", session }, /path/],
  ["a fetch that is no function", { port: 0, fetch: "app", session }, /fetch/],
  ["a hostname that is no text", { port: 0, hostname: 1, session }, /hostname/],
  ["tls without a key", { port: 0, tls: { cert: "x" }, session }, /tls/],
  ["a certificate that is none", { port: 0, hostname: "127.0.0.1", tls: { cert: "x", key: "y" }, session }, /tls/],
];
for (const [name, options, says] of BAD) {
  test(`serve: ${name} rejects with invalid_argument`, async () => {
    const hub = newHub();
    await assert.rejects(serve(hub, options as ServeOptions), (error: unknown) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.equal((error as { code?: unknown }).code, "invalid_argument");
      assert.match(error.message, says);
      return true;
    });
    await hub.close();
  });
}

test("serve: without a path every upgrade is the hub's", () => {
  return serving({}, async ({ port }, hub) => {
    const client = await TestClient.open(`ws://127.0.0.1:${port}/any/where?x`);
    assert.equal([...hub][0]?.url, `http://127.0.0.1:${port}/any/where?x`);
    await client.close();
  });
});

test("serve: fetch gets method, headers and a streamed body, and answers status, headers and cookies", () => {
  const echo = async (request: Request): Promise<Response> => {
    const headers = new Headers({ "x-method": request.method, "x-saw": request.headers.get("x-test") ?? "" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    return new Response(request.body, { status: 201, headers });
  };
  return serving({ fetch: echo }, async ({ url }) => {
    const body = new Uint8Array(300_000).fill(7);
    const response = await fetch(`${url}/x`, { method: "PUT", body, headers: { "x-test": "yes" } });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-method"), "PUT");
    assert.equal(response.headers.get("x-saw"), "yes");
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), body);
    assert.equal(await (await fetch(url, { method: "HEAD" })).text(), "");
  });
});

test("serve: a fetch that fails is answered with 500 and tells nothing", () => {
  const fail = (): Promise<Response> => Promise.reject(new Error("secret"));
  return serving({ fetch: fail }, async ({ url }) => {
    const response = await fetch(url);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret/);
  });
});

test("serve: a streamed answer leaves at once, and ends when its reader goes", () => {
  const happened = new Events<string>("what the stream saw");
  const stream = (request: Request): Response => {
    request.signal.addEventListener("abort", () => happened.add("aborted"));
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("first")),
      cancel: () => happened.add("canceled"),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  return serving({ fetch: stream }, async ({ url }) => {
    const leave = new AbortController();
    const response = await fetch(url, { signal: leave.signal });
    const reader = response.body?.getReader();
    assert.equal(new TextDecoder().decode((await reader?.read())?.value), "first");
    leave.abort();
    assert.deepEqual([await happened.next(), await happened.next()].sort(), ["aborted", "canceled"]);
  });
});

test("serve: an upgrade to anything but a WebSocket is the application's", () => {
  return serving({ path: "/ws", fetch: () => new Response("app", { headers: { "x-app": "1" } }) }, async ({ port }) => {
    for (const [path, upgrade] of [["/ws", "h2c"], ["/other", "websocket"]] as const) {
      const client = await RawClient.connect(port);
      client.handshake(path, { upgrade });
      const { status, headers } = await client.head();
      assert.equal(status, 200);
      assert.equal(headers.get("x-app"), "1");
      assert.match(await client.body(3), /app/);
      client.socket.destroy();
    }
  });
});

test("serve: a Host header that is no host is refused with 400", () => {
  return serving({}, async ({ port, url }) => {
    for (const host of ["a/b", "a?b", "a b", "[", "user@host", "a\\b", ""]) {
      for (const upgrade of ["websocket", undefined]) {
        const client = await RawClient.connect(port);
        client.handshake("/ws", { host, upgrade });
        assert.equal((await client.head()).status, 400, `Host: ${host}`);
        client.socket.destroy();
      }
    }
    assert.equal((await fetch(url)).status, 404);
  });
});

test("serve: with tls it speaks https and wss", () => {
  const tls = selfSigned();
  return serving({ tls }, async (server) => {
    assert.equal(server.url, `https://127.0.0.1:${server.port}`);
    const status = await within(
      "an https answer",
      new Promise((resolve, reject) => {
        const request = httpsRequest(server.url, { ca: tls.cert, agent: false });
        request.on("response", (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        request.on("error", reject);
        request.end();
      }),
    );
    assert.equal(status, 404);
  });
});

test("serve: the messages of one packet are answered in one write", () => {
  return serving({}, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/");
    await client.head();
    const chunks: string[] = [];
    client.socket.on("data", (chunk: Buffer) => chunks.push(chunk.toString("hex")));
    const texts = Array.from({ length: 50 }, (_, index) => String.fromCharCode(0x30 + index));
    client.socket.write(Buffer.concat(texts.map((text) => Buffer.from([0x81, 0x81, 0, 0, 0, 0, text.charCodeAt(0)]))));
    for (const text of texts) assert.equal((await client.next())?.payload.toString(), text);
    assert.equal(chunks.length, 1);
    client.socket.destroy();
  });
});

test("serve: on Deno a Hub needs the network, and no other permission", async () => {
  const deno = join(root, "node_modules/.bin/deno");
  const child = spawn(deno, ["run", "--no-prompt", "--allow-net", join(root, "test/kit/deno-serve-child.ts")]);
  let [out, errors] = ["", ""];
  child.stdout.on("data", (chunk: Uint8Array) => (out += new TextDecoder().decode(chunk)));
  child.stderr.on("data", (chunk: Uint8Array) => (errors += new TextDecoder().decode(chunk)));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  try {
    await until("the port, or the end", () => out.includes("\n") || child.exitCode !== null);
    assert.match(out, /^\d+\n/, errors);
    const client = await TestClient.open(`ws://127.0.0.1:${out.trim()}/`);
    client.send("hello");
    assert.equal(await client.next(), "hello");
    await client.close();
    assert.equal(await within("the end of the child", ended), 0, errors);
  } finally {
    child.kill("SIGKILL");
  }
});

test("serve: on Deno a DistHub that looks for its own address also needs to see the network's interfaces, and no more", async () => {
  const deno = join(root, "node_modules/.bin/deno");
  const allowed = ["--allow-net", "--allow-sys=networkInterfaces"];
  const child = spawn(deno, ["run", "--no-prompt", ...allowed, join(root, "test/kit/deno-node-child.ts")]);
  let [out, errors] = ["", ""];
  child.stdout.on("data", (chunk: Uint8Array) => (out += new TextDecoder().decode(chunk)));
  child.stderr.on("data", (chunk: Uint8Array) => (errors += new TextDecoder().decode(chunk)));
  try {
    const code = await within("the end of the child", new Promise((resolve) => child.once("close", resolve)), 20_000);
    assert.deepEqual([code, out], [0, "ready\n"], errors);
  } finally {
    child.kill("SIGKILL");
  }
});
