import assert from "node:assert/strict";
import { bearerToken } from "../../src/door/auth.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { until } from "../kit/until.ts";
import type { PromiseThat } from "./adapter.ts";

/** The status with which a handshake is answered. */
async function statusOf(port: number, headers: Record<string, string | undefined>): Promise<number> {
  const client = await RawClient.connect(port);
  client.handshake("/ws", headers);
  const { status } = await client.head();
  client.socket.destroy();
  return status;
}

/** What every way of serving a hub promises about who is let in. */
export function admission(promise: PromiseThat): void {
  let asked = 0;
  const counted: SessionFactory = () => {
    asked++;
    return {};
  };

  promise(
    "a page of another origin is refused with 403 before the session is asked",
    counted,
    async ({ port, hub }) => {
      asked = 0;
      const host = `127.0.0.1:${port}`;
      assert.equal(await statusOf(port, { host, origin: "https://evil.example" }), 403);
      assert.equal(await statusOf(port, { host, origin: "null" }), 403);
      assert.equal(await statusOf(port, { host, origin: `http://${host}.evil.example` }), 403);
      assert.equal(asked, 0);
      assert.equal(hub.size, 0);
      assert.equal(await statusOf(port, { host, origin: `http://${host}` }), 101);
      assert.equal(await statusOf(port, { host }), 101);
      assert.equal(asked, 2);
    },
  );

  promise("with a list of origins only those pass", counted, async ({ port }) => {
    const host = `127.0.0.1:${port}`;
    assert.equal(await statusOf(port, { host, origin: `http://${host}` }), 403);
    assert.equal(await statusOf(port, { host, origin: "https://app.example" }), 101);
  }, { origins: ["https://app.example"] });

  promise("an address that holds its share of connections is refused with 429", counted, async ({ port, url }) => {
    const first = await TestClient.open(url);
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    const { status, headers } = await client.head();
    assert.equal(status, 429);
    assert.equal(headers.get("retry-after"), "5");
    client.socket.destroy();
    await first.close();
    const second = await TestClient.open(url);
    await second.close();
  }, { limits: { maxConnectionsPerAddress: 1 } });

  promise("behind a trusted proxy a client is who the proxy says", counted, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws", {
      "x-forwarded-for": "6.6.6.6, 1.2.3.4",
      "x-forwarded-host": "app.example",
      origin: "https://app.example",
    });
    assert.equal((await client.head()).status, 101);
    assert.equal([...hub][0]?.remoteAddress, "1.2.3.4");
    client.socket.destroy();
  }, { trustProxy: 1 });

  promise("behind a trusted proxy the URL has the scheme that the client used", (request) => {
    return { data: request.url, onConnect: (client) => client.emit(client.url) };
  }, async ({ hub, port }) => {
    const host = "app.example";
    for (
      const [proto, scheme] of [["https", "https"], ["http, https", "https"], ["wss", "https"], ["http", "http"], [
        "ftp",
        "http",
      ]]
    ) {
      const client = await RawClient.connect(port);
      client.handshake("/ws?a=%20b", { host, "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": proto ?? "" });
      assert.equal((await client.head()).status, 101);
      assert.deepEqual([...hub].map(({ data, url }) => [data, url]), [
        [`${scheme}://${host}/ws?a=%20b`, `${scheme}://${host}/ws?a=%20b`],
      ]);
      client.socket.destroy();
      await until("the client to be gone", () => hub.size === 0);
    }
  }, { trustProxy: 1 });

  promise("without a trusted proxy nobody else says which scheme was used", (request) => {
    return { data: request.url };
  }, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws", { host: "app.example", "x-forwarded-proto": "https", forwarded: "proto=https" });
    assert.equal((await client.head()).status, 101);
    assert.equal([...hub][0]?.data, "http://app.example/ws");
    client.socket.destroy();
  });

  promise("a token in a subprotocol reaches the session and is never answered", (request) => {
    const token = bearerToken(request);
    return { protocol: token === undefined ? undefined : "chat", data: token };
  }, async ({ hub, url }) => {
    const client = await TestClient.open(url, ["meshsocket.bearer.a.b-c", "chat"]);
    assert.equal(client.ws.protocol, "chat");
    assert.equal([...hub][0]?.data, "a.b-c");
    await client.close();
  });

  promise(
    "a token to resume by is not answered either, where meshsocket.v1 is not offered",
    () => ({}),
    async ({ url }) => {
      const [bearer, resume] = ["meshsocket.bearer.a.b-c", "meshsocket.resume.5.a1b2"];
      for (const offers of [[resume, bearer, "chat"], [bearer, resume, "chat"], ["chat", resume, bearer]]) {
        const client = await TestClient.open(url, offers);
        assert.equal(client.ws.protocol, "chat");
        await client.close();
      }
      for (const offers of [[resume, bearer], [bearer, resume]]) {
        const client = await TestClient.open(url, offers);
        assert.equal(client.ws.protocol, bearer);
        await client.close();
      }
    },
  );

  promise("a session that would answer the token is refused", (request) => {
    return { protocol: request.headers.get("sec-websocket-protocol") ?? undefined };
  }, async ({ port }) => {
    assert.equal(await statusOf(port, { "sec-websocket-protocol": "meshsocket.bearer.abc" }), 500);
    assert.equal(await statusOf(port, { "sec-websocket-protocol": "meshsocket.resume.5.abc" }), 500);
  });
}
