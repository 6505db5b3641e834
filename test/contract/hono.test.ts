import assert from "node:assert/strict";
import { test } from "node:test";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import { upgrade } from "../../adapters/hono.ts";
import { Hub } from "../../src/hub/hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { TestClient } from "../kit/client.ts";
import { runtime } from "../kit/runtime.ts";
import { RawClient } from "../kit/raw.ts";
import { serveApp } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

async function serving(makeApp: (hub: Hub) => Hono, run: (port: number, hub: Hub) => Promise<void>): Promise<void> {
  const hub = new Hub({ logger: silentLogger, origins: ["https://example.com"] });
  const server = await serveApp(hub, makeApp(hub));
  try {
    await run(server.port, hub);
  } finally {
    await hub.close();
    await server.stop();
  }
}

async function statusOf(port: number, path: string, headers: Record<string, string> = {}): Promise<number> {
  const client = await RawClient.connect(port);
  client.handshake(path, headers);
  const { status } = await client.head();
  client.socket.destroy();
  return status;
}

test("hono: middleware runs before the upgrade, and the session sees what it left", () => {
  return serving((hub) => {
    interface AppEnv {
      Variables: { user: string };
    }
    const app = new Hono<AppEnv>();
    app.use("/ws/*", async (c, next) => {
      const token = c.req.header("authorization");
      if (token !== "Bearer good") return c.text("who are you", 401);
      c.set("user", "alice");
      return await next();
    });
    app.get("/ws/:room", upgrade(hub, (c: Context<AppEnv>) => ({ id: c.get("user"), data: c.req.param("room") })));
    return app as unknown as Hono;
  }, async (port, hub) => {
    assert.equal(await statusOf(port, "/ws/one"), 401);
    const client = await RawClient.connect(port);
    client.handshake("/ws/one?x=1", { authorization: "Bearer good" });
    assert.equal((await client.head()).status, 101);
    assert.equal(hub.client("alice")?.data, "one");
    client.socket.destroy();
  });
});

test("hono: the context can be read after the upgrade", () => {
  return serving((hub) => {
    const app = new Hono();
    app.get(
      "/ws",
      upgrade(hub, (c) => ({
        onEvent: (client) => void client.emit(`${new URL(c.req.url).search} ${c.req.header("x-test")}`),
      })),
    );
    return app;
  }, async (port) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws?a=b", { "x-test": "yes" });
    await client.head();
    client.frame(1, Buffer.from("?"));
    assert.equal((await client.next())?.payload.toString(), "?a=b yes");
    client.socket.destroy();
  });
});

test("hono: headers that middleware set go into the 101, whichever way it set them", () => {
  return serving((hub) => {
    const app = new Hono();
    app.use(cors({ origin: "https://example.com" }), secureHeaders());
    app.use(async (c, next) => {
      c.header("set-cookie", "a=1", { append: true });
      c.header("set-cookie", "b=2", { append: true });
      await next();
    });
    app.get("/ws", upgrade(hub, () => ({ headers: { "x-session": "s" } })));
    return app;
  }, async (port) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws", { origin: "https://example.com" });
    const { status, headers } = await client.head();
    assert.equal(status, 101);
    assert.equal(headers.get("access-control-allow-origin"), "https://example.com");
    assert.deepEqual(headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(headers.get("x-session"), "s");
    client.frame(8);
    assert.equal((await client.next())?.opcode, 8);
    client.socket.destroy();
  });
});

test("hono: an HTTPException of the session refuses the upgrade with its own response", () => {
  return serving((hub) => {
    const app = new Hono();
    app.get("/ws", upgrade(hub, () => Promise.reject(new HTTPException(402, { message: "pay" }))));
    return app;
  }, async (port) => assert.equal(await statusOf(port, "/ws"), 402));
});

test("hono: other requests on the route go on to the next handler", () => {
  return serving((hub) => {
    const app = new Hono();
    app.get("/ws", upgrade(hub, () => ({})), (c) => c.text("a page"));
    app.get("/alone", upgrade(hub, () => ({})));
    return app;
  }, async (port) => {
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/ws`)).text(), "a page");
    assert.equal((await fetch(`http://127.0.0.1:${port}/alone`)).status, 404);
    assert.equal(await statusOf(port, "/nowhere"), 404);
  });
});

test("hono: two hubs have their own routes", () => {
  const second = new Hub({ logger: silentLogger });
  return serving((hub) => {
    const app = new Hono();
    app.get("/one", upgrade(hub, () => ({ id: "a" })));
    app.get("/two", upgrade(second, () => ({ id: "a" })));
    return app;
  }, async (port, hub) => {
    const one = await TestClient.open(`ws://127.0.0.1:${port}/one`);
    const two = await TestClient.open(`ws://127.0.0.1:${port}/two`);
    assert.deepEqual([hub.size, second.size], [1, 1]);
    await second.emit("a", "for two");
    assert.equal(await two.next(), "for two");
    await second.close();
    assert.equal((await two.closed()).code, 1012);
    await one.close();
  });
});

test("hono: a session that is no function is a TypeError", () => {
  const hub = new Hub({ logger: silentLogger, origins: ["https://example.com"] });
  assert.throws(() => upgrade(hub, {} as never), { name: "TypeError", code: "invalid_argument" });
});

test("hono: an app that is served without what the upgrade needs says what is missing", async () => {
  const hub = new Hub({ logger: silentLogger, origins: ["https://example.com"], limits: { upgradeTimeoutMs: 100 } });
  const app = new Hono();
  const failures: unknown[] = [];
  app.onError((error, c) => {
    failures.push(error);
    return c.text("failed", 500);
  });
  app.get("/ws", upgrade(hub, () => ({})));
  const headers = {
    host: "x",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const response = await app.request("/ws", { headers });
  // On Deno an upgrade needs nothing but Deno.
  assert.equal(response.status, runtime === "deno" ? 101 : 500);
  assert.equal(failures[0] instanceof Error, runtime !== "deno");
  assert.equal(hub.size, 0);
});

/** Middleware that spoils an upgrade after the handler has made it. */
const SPOILERS: readonly (readonly [what: string, spoil: (c: Context) => unknown, code: number])[] = [
  ["throws", () => {
    throw new Error("boom");
  }, 1011],
  ["throws an HTTPException", () => {
    throw new HTTPException(403);
  }, 4401],
  ["rejects a little later", async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    throw new Error("boom");
  }, 1011],
  ["answers otherwise", (c) => (c.res = new Response("no", { status: 401 })), 4401],
];

for (const [what, spoil, code] of SPOILERS) {
  test(`hono: middleware that ${what} after next() refuses the client, and the server goes on`, () => {
    return serving((hub) => {
      const app = new Hono();
      app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : c.text("failed", 500)));
      app.use("/bad", async (c, next) => {
        await next();
        await spoil(c as Context);
      });
      app.get("/bad", upgrade(hub, () => ({ id: "bad" })));
      app.get("/good", upgrade(hub, () => ({ id: "good" })));
      return app;
    }, async (port, hub) => {
      const refused = await RawClient.connect(port);
      refused.handshake("/bad");
      // Node has not sent the 101 yet; Bun and Deno have.
      if (runtime === "node") assert.ok((await refused.head()).status >= 400);
      else {
        assert.equal((await refused.head()).status, 101);
        const frame = await refused.next();
        assert.equal(frame?.opcode, 8);
        assert.equal(frame.payload.readUInt16BE(0), code);
      }
      refused.socket.destroy();
      const good = await TestClient.open(`ws://127.0.0.1:${port}/good`);
      await until("the refused client to be gone", () => hub.client("bad") === undefined);
      assert.equal(await hub.emit("good", "still here"), true);
      assert.equal(await good.next(), "still here");
      await good.close();
    });
  });
}

test("hono: a message that comes while middleware is still busy is handled", () => {
  return serving((hub) => {
    const app = new Hono();
    app.use(async (_, next) => {
      await next();
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    app.get("/ws", upgrade(hub, () => ({ onEvent: (client, message) => client.emit(`got ${String(message)}`) })));
    return app;
  }, async (port) => {
    const client = await TestClient.open(`ws://127.0.0.1:${port}/ws`);
    client.send("early");
    assert.equal(await client.next(), "got early");
    await client.close();
  });
});
