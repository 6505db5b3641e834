import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub, type HubOptions } from "../../src/hub.ts";
import { silentLogger } from "../../src/logger.ts";
import type { Session, SessionFactory, UpgradeInfo } from "../../src/session.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import type { Way } from "../kit/servers.ts";
import { Events, within } from "../kit/wait.ts";

interface Fixture {
  readonly hub: Hub;
  readonly port: number;
  readonly url: string;
}

type Run = (fixture: Fixture) => Promise<void>;

/** What every way of serving a hub promises. */
export function adapterContract(way: Way): void {
  const promise = (name: string, session: SessionFactory, run: Run, options: HubOptions = {}): void => {
    test(`${way.name}: ${name}`, async () => {
      const hub = new Hub({ logger: silentLogger, ...options });
      const server = await way.start(hub, session);
      try {
        await run({ hub, port: server.port, url: `ws://127.0.0.1:${server.port}/ws` });
      } finally {
        await hub.close();
        await server.stop();
      }
    });
  };
  upgrades(promise);
  messages(promise);
  closing(promise);
  limits(promise);
}

type PromiseThat = (name: string, session: SessionFactory, run: Run, options?: HubOptions) => void;

function upgrades(promise: PromiseThat): void {
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

function messages(promise: PromiseThat): void {
  const echo: Session = { onEvent: (client, message) => void client.emit(message) };

  promise(
    "text comes as text and bytes as bytes, whatever they hold",
    () => ({ id: "me", ...echo }),
    async ({ url }) => {
      const client = await TestClient.open(url);
      const texts = ["", "plain", "é漢😀", "\0", "x".repeat(125), "y".repeat(126), "z".repeat(70_000)];
      for (const text of texts) {
        client.send(text);
        assert.equal(await client.next(), text);
      }
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      for (const bytes of [new Uint8Array(), all, new Uint8Array(70_000).fill(0xff)]) {
        client.send(bytes);
        assert.deepEqual(await client.next(), bytes);
      }
      await client.close();
    },
  );

  promise("a byte order mark stays in the text", () => echo, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.frame(1, Buffer.from("\u{feff}text"));
    assert.equal((await client.next())?.payload.toString("hex"), "efbbbf74657874");
    client.socket.destroy();
  });

  let received: unknown;
  promise("bytes reach a handler as a Uint8Array that fills its buffer", () => ({
    onEvent(client, message) {
      received = message;
      void client.emit("seen");
    },
  }), async ({ url }) => {
    const client = await TestClient.open(url);
    client.send(Uint8Array.of(1, 2, 3));
    assert.equal(await client.next(), "seen");
    assert.ok(received instanceof Uint8Array);
    assert.equal(received.constructor, Uint8Array);
    assert.equal(received.buffer.byteLength, 3);
    await client.close();
  });

  promise("a message is whole when it came in fragments with a ping between", () => echo, async ({ port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.socket.write(Buffer.from([0x01, 0x82, 0, 0, 0, 0, 0x68, 0x65]));
    client.frame(9, Buffer.from("ping"));
    client.frame(0, Buffer.from("llo"));
    const frames = [await client.next(), await client.next()];
    assert.deepEqual(frames.map((frame) => [frame?.opcode, frame?.payload.toString()]), [[10, "ping"], [1, "hello"]]);
    client.socket.destroy();
  });

  promise("what one tick sends arrives in order and unmasked", () => ({
    id: "me",
    onConnect(client) {
      for (let index = 0; index < 300; index++) {
        void client.emit(index % 2 ? String(index) : Uint8Array.of(index & 0xff));
      }
    },
  }), async ({ url }) => {
    const client = await TestClient.open(url);
    for (let index = 0; index < 300; index++) {
      assert.deepEqual(await client.next(), index % 2 ? String(index) : Uint8Array.of(index & 0xff));
    }
    await client.close();
  });

  promise("broadcast, publish and emit reach whom they name", (request) => ({
    id: new URL(request.url).searchParams.get("id") ?? "",
    onConnect: (client) => client.subscribe("room"),
  }), async ({ hub, url }) => {
    const [a, b] = await Promise.all(["a", "b"].map((id) => TestClient.open(`${url}?id=${id}`)));
    assert.ok(a && b);
    assert.deepEqual(await hub.broadcast("all"), { delivered: 2, dropped: 0, unreachable: [] });
    assert.deepEqual(await hub.publish("room", "not b", { except: ["b"] }), {
      delivered: 1,
      dropped: 0,
      unreachable: [],
    });
    assert.equal(await hub.emit("b", "only b"), true);
    assert.equal(await hub.emit("nobody", "x"), false);
    assert.deepEqual([await a.next(), await a.next()], ["all", "not b"]);
    assert.deepEqual([await b.next(), await b.next()], ["all", "only b"]);
    await Promise.all([a.close(), b.close()]);
  });
}

function closing(promise: PromiseThat): void {
  const ends = new Events<[code: number, reason: string]>("onDisconnect");
  const statuses = new Events<number>("an answer while the hub closes");
  const session: Session = {
    id: "me",
    onDisconnect: (_, code, reason) => ends.add([code, reason]),
    onEvent(client, message) {
      if (message === "close") client.close(4001, "thé end");
      if (message === "plain") client.close();
      if (message === "away") client.close(1001, "");
      if (message === "cut") client.terminate();
      if (message === "throw") throw new Error("boom");
      if (message === "reject") return Promise.reject(new Error("boom"));
      return undefined;
    },
    onError: () => {},
  };

  const byClient: [string, [number?, string?], [number, string]][] = [
    ["a code and a reason", [4000, "byé"], [4000, "byé"]],
    ["a code alone", [1000], [1000, ""]],
    ["nothing, which shows as 1005", [], [1005, ""]],
  ];
  for (const [name, args, expected] of byClient) {
    promise(`a client closes with ${name}`, () => session, async ({ hub, url }) => {
      const client = await TestClient.open(url);
      const closed = await client.close(...args);
      assert.deepEqual(await ends.next(), expected);
      assert.deepEqual([closed.code, closed.reason], expected);
      assert.equal(hub.size, 0);
    });
  }

  const byServer: [string, string, [number, string]][] = [
    ["the server closes with a code and a reason", "close", [4001, "thé end"]],
    ["the server closes with 1000 by default", "plain", [1000, ""]],
    ["the server closes with a code alone", "away", [1001, ""]],
  ];
  for (const [name, message, expected] of byServer) {
    promise(name, () => session, async ({ url }) => {
      const client = await TestClient.open(url);
      client.send(message);
      const { code, reason } = await client.closed();
      assert.deepEqual([code, reason], expected);
      assert.deepEqual(await ends.next(), expected);
    });
  }

  for (const message of ["throw", "reject"]) {
    promise(`a handler that ${message}s closes its client with 1011`, () => session, async ({ url }) => {
      const client = await TestClient.open(url);
      client.send(message);
      assert.equal((await client.closed()).code, 1011);
      assert.equal((await ends.next())[0], 1011);
    });
  }

  promise("a lost connection shows as 1006", () => session, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    client.socket.destroy();
    assert.deepEqual(await ends.next(), [1006, ""]);
    assert.equal(hub.size, 0);
  });

  promise("terminate ends the connection for both at once", () => session, async ({ hub, url }) => {
    const client = await TestClient.open(url);
    client.send("cut");
    await client.closed();
    assert.deepEqual(await ends.next(), [1006, ""]);
    assert.equal(hub.size, 0);
  });

  promise("a peer that never answers a close does not keep its id", () => session, async ({ hub, port }) => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    await client.head();
    assert.equal(await hub.disconnect("me", 4002, "out"), true);
    assert.equal((await client.next())?.opcode, 8);
    assert.equal(await hub.online("me"), false);
    assert.deepEqual(await ends.next(), [4002, "out"]);
    client.socket.destroy();
  }, { limits: { closeTimeoutMs: 300 } });

  promise("the closing hub closes its clients with 1012", () => session, async ({ hub, url }) => {
    const client = await TestClient.open(url);
    const closed = hub.close();
    assert.deepEqual(await client.closed(), { code: 1012, reason: "this node is closing" });
    assert.deepEqual(await ends.next(), [1012, "this node is closing"]);
    await within("the close", closed);
    assert.equal(hub.size, 0);
  });

  promise("a closing hub refuses upgrades with 503", (request) => ({
    async onDisconnect() {
      const late = await RawClient.connect(Number(new URL(request.url).port));
      late.handshake("/ws");
      statuses.add((await late.head()).status);
      late.socket.destroy();
    },
  }), async ({ hub, port }) => {
    const lingering = await RawClient.connect(port);
    lingering.handshake("/ws", { host: `127.0.0.1:${port}` });
    await lingering.head();
    const client = await TestClient.open(`ws://127.0.0.1:${port}/ws`);
    const closed = hub.close({ drainMs: 1_000 });
    assert.equal(await statuses.next(), 503);
    lingering.socket.destroy();
    await client.closed();
    await within("the close", closed);
  });
}

function limits(promise: PromiseThat): void {
  const ends = new Events<number>("onDisconnect");
  const session: Session = {
    id: "me",
    onDisconnect: (_, code) => ends.add(code),
    onEvent: (client, message) => void client.emit(String(message.length)),
  };

  promise("a message at the limit passes and one over it closes with 1009", () => session, async ({ url }) => {
    for (const over of ["x".repeat(1_001), new Uint8Array(1_001), "é".repeat(501)]) {
      const client = await TestClient.open(url);
      client.send("x".repeat(1_000));
      assert.equal(await client.next(), "1000");
      client.send(over);
      assert.equal((await client.closed()).code, 1009);
      assert.equal(await ends.next(), 1009);
    }
  }, { limits: { maxMessageBytes: 1_000 } });

  promise(
    "a client that does not read is cut and its messages are counted as dropped",
    () => session,
    async ({ hub, port }) => {
      const client = await RawClient.connect(port);
      client.handshake("/ws");
      await client.head();
      client.socket.pause();
      const message = new Uint8Array(1_000_000);
      let dropped = 0;
      for (let sent = 0; sent < 60 && dropped === 0; sent++) dropped = (await hub.broadcast(message)).dropped;
      assert.equal(dropped, 1);
      assert.equal(await hub.online("me"), false);
      assert.equal(await ends.next(), 4008);
      client.socket.destroy();
    },
  );

  let release = (): void => {};
  const counts = new Events<number>("a handled message");
  let handled = 0;
  promise("messages that come while a handler runs wait and keep their order", () => ({
    async onEvent(_client, message) {
      if (handled++ === 0) await new Promise<void>((resolve) => (release = resolve));
      counts.add(Number(message));
    },
  }), async ({ hub, url }) => {
    handled = 0;
    const client = await TestClient.open(url);
    for (let index = 0; index < 6; index++) client.send(String(index));
    while (handled === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    release();
    for (let index = 0; index < 6; index++) assert.equal(await counts.next(), index);
    assert.equal(hub.size, 1);
    await client.close();
  });
}
