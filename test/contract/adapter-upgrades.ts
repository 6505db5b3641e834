import assert from "node:assert/strict";
import type { UpgradeInfo } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { Events } from "../kit/wait.ts";
import type { PromiseThat } from "./adapter.ts";

/** What every way of serving a hub promises about upgrades. */
export function upgrades(promise: PromiseThat): void {
  let seen: { request: Request; info: UpgradeInfo } | undefined;
  promise(
    "the session sees url, headers and peer of the upgrade request",
    (request, info) => {
      seen = { request, info };
      return {};
    },
    async ({ hub, port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws?name=al%20ice&x=1", { host: "example.com:99", cookie: "a=1", authorization: "Bearer t" });
      assert.equal((await client.head()).status, 101);
      assert.equal(seen?.request.url, "http://example.com:99/ws?name=al%20ice&x=1");
      assert.equal(seen.request.headers.get("cookie"), "a=1");
      assert.equal(seen.request.headers.get("authorization"), "Bearer t");
      assert.equal(seen.info.remoteAddress, "127.0.0.1");
      const [connected] = hub;
      assert.equal(connected?.remoteAddress, "127.0.0.1");
      assert.equal(connected.url, "http://example.com:99/ws?name=al%20ice&x=1");
      assert.match(connected.id, /^[\w-]{22}$/);
      client.socket.destroy();
    },
  );

  promise(
    "a session's Response refuses the upgrade with its status, headers and body",
    () => new Response("who are you", { status: 401, headers: { "www-authenticate": "Bearer" } }),
    async ({ hub, port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      const { status, headers } = await client.head();
      assert.equal(status, 401);
      assert.equal(headers.get("www-authenticate"), "Bearer");
      assert.match(await client.body(11), /who are you/);
      assert.equal(hub.size, 0);
      client.socket.destroy();
    },
  );

  promise("a session that throws refuses the upgrade with 500", () => {
    throw new Error("boom");
  }, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    assert.equal((await client.head()).status, 500);
    assert.doesNotMatch(await client.body(14), /boom/);
    client.socket.destroy();
  });

  for (const version of ["8", "12", undefined]) {
    promise(`WebSocket version ${version ?? "unsaid"} is refused with 426`, () => ({}), async ({ hub, port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws", { "sec-websocket-version": version });
      const { status, headers } = await client.head();
      assert.equal(status, 426);
      assert.equal(headers.get("sec-websocket-version"), "13");
      assert.equal(hub.size, 0);
      client.socket.destroy();
    });
  }

  promise("an Upgrade header that Connection does not name is not one", () => ({}), async ({ hub, port }) => {
    for (const connection of [undefined, "close", "keep-alive"]) {
      const client = await RawClient.connect(port);
      client.handshake("/ws", { connection });
      assert.equal((await client.head()).status, 200, connection);
      client.socket.destroy();
    }
    assert.equal(hub.size, 0);
  });

  promise("Connection and Upgrade are lists, in which case does not count", () => ({}), async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws", { connection: "keep-alive, UPGRADE", upgrade: "foo/1, WebSocket" });
    assert.equal((await client.head()).status, 101);
    client.socket.destroy();
  });

  promise("a handshake without a Host, or with two, is refused with 400", () => ({}), async ({ hub, port }) => {
    for (const host of [undefined, "one\r\nhost: two"]) {
      const client = await RawClient.connect(port);
      client.handshake("/ws", { host });
      assert.equal(await client.status(), 400, host);
      client.socket.destroy();
    }
    assert.equal(hub.size, 0);
  });

  promise("a handshake that is not a GET is no upgrade", () => ({}), async ({ hub, port }) => {
    for (const method of ["HEAD", "POST", "OPTIONS"]) {
      const client = await RawClient.connect(port);
      client.handshake("/ws", { "content-length": "0" }, method);
      assert.ok([400, 404, 405].includes(await client.status()), method);
      client.socket.destroy();
    }
    assert.equal(hub.size, 0);
  });

  promise("other requests and other paths are the application's", () => ({}), async ({ hub, port }) => {
    for (const path of ["/", "/ws", "/other"]) {
      assert.equal(await (await fetch(`http://127.0.0.1:${port}${path}`)).text(), "app");
    }
    const client = new TestClient(`ws://127.0.0.1:${port}/other`);
    await assert.rejects(client.opened());
    assert.equal(hub.size, 0);
  });

  promise("the chosen subprotocol is answered", (request) => {
    return { protocol: request.headers.get("sec-websocket-protocol")?.includes("b") ? "b" : undefined };
  }, async ({ hub, port, url }) => {
    const client = await TestClient.open(url, ["a", "b"]);
    assert.equal(client.ws.protocol, "b");
    assert.equal([...hub][0]?.protocol, "b");
    await client.close();
    for (const offer of ["a,b", "a, b"]) {
      const raw = await RawClient.connect(port);
      raw.handshake("/ws", { "sec-websocket-protocol": offer });
      assert.equal((await raw.head()).headers.get("sec-websocket-protocol"), "b");
      raw.socket.destroy();
    }
  });

  promise("no subprotocol is answered unless the session chose one", () => ({}), async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws", { "sec-websocket-protocol": "a, b" });
    const { status, headers } = await client.head();
    assert.equal(status, 101);
    assert.equal(headers.get("sec-websocket-protocol"), null);
    assert.equal([...hub][0]?.protocol, "");
    client.socket.destroy();
  });

  promise(
    "a session's headers go into the 101",
    () => ({ headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-node", "one"], ["connection", "close"]] }),
    async ({ port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      const { status, headers } = await client.head();
      assert.equal(status, 101);
      assert.deepEqual(headers.getSetCookie(), ["a=1", "b=2"]);
      assert.equal(headers.get("x-node"), "one");
      assert.equal(headers.get("connection")?.toLowerCase(), "upgrade");
      client.socket.destroy();
    },
  );

  const aborted = new Events<string>("the abort of the upgrade");
  promise("a client that gives up during the upgrade aborts it", (_, { signal }) => {
    return new Promise((resolve) => {
      aborted.add("asked");
      signal.addEventListener("abort", () => {
        aborted.add("aborted");
        resolve({});
      });
    });
  }, async ({ hub, port }) => {
    for (const giveUp of ["destroy", "resetAndDestroy"] as const) {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      assert.equal(await aborted.next(), "asked");
      if (typeof client.socket[giveUp] === "function") client.socket[giveUp]();
      else client.socket.destroy();
      assert.equal(await aborted.next(), "aborted");
    }
    assert.equal(hub.size, 0);
  });

  promise(
    "the newer connection takes the id and the older is closed with 4409",
    () => ({ id: "alice" }),
    async ({ hub, url }) => {
      const older = await TestClient.open(url);
      const newer = await TestClient.open(url);
      assert.equal((await older.closed()).code, 4409);
      assert.equal(await hub.emit("alice", "hi"), true);
      assert.equal(await newer.next(), "hi");
      assert.equal(hub.size, 1);
      await newer.close();
    },
  );

  promise(
    "where the oldest wins, a newer connection with the id is refused with 409",
    () => ({ id: "alice" }),
    async ({ hub, port, url }) => {
      const older = await TestClient.open(url);
      const newer = await RawClient.connect(port);
      newer.handshake("/ws");
      assert.equal((await newer.head()).status, 409);
      assert.equal(await hub.emit("alice", "hi"), true);
      assert.equal(await older.next(), "hi");
      newer.socket.destroy();
      await older.close();
    },
    { duplicateIds: "oldest" },
  );

  promise("a full node refuses upgrades with 503", () => ({}), async ({ port, url }) => {
    const first = await TestClient.open(url);
    const second = await RawClient.connect(port);
    second.handshake("/ws");
    assert.equal((await second.head()).status, 503);
    second.socket.destroy();
    await first.close();
  }, { limits: { maxConnections: 1 } });
}
