import assert from "node:assert/strict";
import { TestClient } from "../kit/client.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";
import type { Attack } from "./attack.ts";
import { closeCode, statusOf, Target } from "./target.ts";

/** Attacks before the 101. */
export const HANDSHAKE: readonly Attack[] = [
  {
    id: "A1",
    title: "a page of a foreign site connects with the user's cookies",
    answer: "403, before the application is asked",
    async run(target) {
      const asked = target.asked;
      const host = `127.0.0.1:${target.port}`;
      assert.equal(await target.statusOf({ host, origin: "https://evil.example", cookie: "session=1" }), 403);
      assert.equal(target.asked, asked);
      assert.equal(target.hub.size, 0);
    },
  },
  {
    id: "A2",
    title: "an origin that looks like ours",
    answer: "403; a request without an Origin passes",
    async run() {
      await using listed = await Target.start({ origins: ["https://good.com"] });
      for (
        const origin of [
          "https://good.com.evil.io",
          "https://evilgood.com",
          "null",
          "https://GOOD.com",
          "https://good.com:444",
          "https://good.com.",
        ]
      ) {
        assert.equal(await listed.statusOf({ origin }), 403, origin);
      }
      assert.equal(await listed.statusOf({ origin: "https://good.com" }), 101);
      assert.equal(await listed.statusOf({}), 101);
    },
  },
  {
    id: "A4",
    title: "2,500 headers before the upgrade",
    answer: "400 or 431, or cut",
    async run(target) {
      const client = await target.connect();
      const flood = Array.from({ length: 2_500 }, (_, index) => `x-${index}: y`).join("\r\n");
      client.socket.write(`GET /ws HTTP/1.1\r\nhost: x\r\n${flood}\r\n`);
      client.handshake("/ws");
      assert.ok([400, 431, 0].includes(await statusOf(client)));
    },
  },
  {
    id: "A5",
    title: "a header of 70 kB",
    answer: "431 or 400, or cut",
    async run(target) {
      assert.ok([431, 400, 0].includes(await target.statusOf({ "x-long": "x".repeat(70_000) })));
    },
  },
  {
    id: "A7",
    title: "an upgrade that never finishes to authenticate",
    answer: "503 after upgradeTimeoutMs, or 3008 after authTimeoutMs; no id is claimed meanwhile",
    async run() {
      await using target = await Target.start({ limits: { upgradeTimeoutMs: 200 } });
      assert.equal(await target.statusOf({}, "/ws?wait&id=alice"), 503);
      assert.equal(await target.hub.online("alice"), false);
      await using late = await Target.start({ limits: { authTimeoutMs: 200 } }, () => ({ authenticate: () => ({}) }));
      assert.equal(await closeCode(await late.upgraded()), 3008);
      assert.equal(late.hub.size, 0);
    },
  },
  {
    id: "A8",
    title: "a reset while the application authenticates",
    answer: "the authentication is aborted; no id is claimed",
    async run(target) {
      const asked = target.asked;
      for (let round = 0; round < 20; round++) {
        const client = await target.connect();
        client.handshake("/ws?wait&id=alice");
        await until("the session to be asked", () => target.asked === asked + round + 1);
        // Deno's node:net has no reset.
        if (typeof client.socket.resetAndDestroy === "function") client.socket.resetAndDestroy();
        else client.socket.destroy();
      }
      assert.equal(await target.hub.online("alice"), false);
    },
  },
  {
    id: "A9",
    title: "subprotocols and extensions made to be slow to parse",
    answer: "101 without them or 400, at once",
    async run(target) {
      for (
        const hostile of [
          " ".repeat(12_000) + "x",
          ",".repeat(12_000),
          `a;${'b="\\'.repeat(3_000)}`,
          "a;".repeat(6_000),
        ]
      ) {
        for (const name of ["sec-websocket-protocol", "sec-websocket-extensions"]) {
          const since = performance.now();
          assert.ok([101, 400, 431].includes(await target.statusOf({ [name]: `a, ${hostile}` })));
          assert.ok(performance.now() - since < 1_000, `${name} took too long`);
        }
      }
    },
  },
  {
    id: "A10",
    title: "names of the prototype as header, parameter and query",
    answer: "taken as any other name; nothing is polluted",
    async run(target) {
      const headers = {
        ["__proto__"]: "polluted",
        constructor: "x",
        "sec-websocket-extensions": "__proto__; constructor=1",
      };
      const status = await target.statusOf(headers, "/ws?__proto__[polluted]=1&constructor=2&id=__proto__");
      assert.ok([101, 400].includes(status), `${status}`);
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    },
  },
  {
    id: "A11",
    title: "a handshake with the wrong method, version, key or upgrade",
    answer: "405, 426 with the version that is spoken, 400, and to the application",
    async run(target) {
      for (const version of ["8", "7", "0", "14", "x", undefined]) {
        assert.equal(await target.statusOf({ "sec-websocket-version": version }), 426);
      }
      for (const key of [undefined, "", "short", "dGhlIHNhbXBsZSBub25jZQ=", "****************************"]) {
        assert.equal(await target.statusOf({ "sec-websocket-key": key }), 400);
      }
      assert.equal(await target.statusOf({ upgrade: "h2c" }), 200);
      const post = await target.connect();
      post.socket.write(
        "POST /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
          "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\ncontent-length: 0\r\n\r\n",
      );
      assert.equal(await statusOf(post), 405);
    },
  },
  {
    id: "A12",
    title: "control characters in a subprotocol, to be answered back",
    answer: "400 from the parser; anything but a subprotocol is never answered",
    async run() {
      await using target = await Target.start({}, (request) => {
        return { protocol: request.headers.get("sec-websocket-protocol") ?? undefined };
      });
      for (const offer of ["a b", "a\tb", "a;b", 'a"b']) {
        assert.ok([400, 500].includes(await target.statusOf({ "sec-websocket-protocol": offer })), offer);
      }
      assert.equal(await target.statusOf({ "sec-websocket-protocol": "a.b" }), 101);
    },
  },
  {
    id: "A14",
    title: "a request target that is a whole URL, or a path that only looks right",
    answer: "400",
    differs: { on: "bun", how: "the URL's path and the Host header are read, so that nothing is proxied" },
    async run(target) {
      const asked = target.asked;
      const whole = await target.statusOf({ upgrade: undefined }, "http://169.254.169.254/latest/meta-data");
      assert.equal(whole, runtime === "bun" ? 200 : 400);
      for (const path of ["//evil.example/ws", "/ws/", "/WS", "/ws%2f", "/wsx", "/%77s/..%2fws"]) {
        assert.notEqual(await target.statusOf({}, path), 101, path);
      }
      assert.equal(target.asked, asked);
    },
  },
  {
    id: "A16",
    title: "a second request smuggled behind the handshake",
    answer: "what follows the head is WebSocket frames: 1002, and no second response",
    async run(target) {
      const smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
      const client = await target.connect();
      client.handshake("/ws");
      client.socket.write(smuggled);
      assert.equal((await client.head()).status, 101);
      const frame = await client.next();
      assert.equal(frame?.opcode, 8);
      assert.equal(frame.payload.readUInt16BE(0), 1002);
      client.socket.destroy();
      const chunked = await target.connect();
      chunked.handshake("/ws", { "transfer-encoding": "chunked" });
      chunked.socket.write(`0\r\n\r\n${smuggled}`);
      assert.doesNotMatch(await chunked.body(1), /HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 200/);
      chunked.socket.destroy();
    },
  },
  {
    id: "A40",
    title: "guessing another client's id",
    answer: "ids are 128 random bits; one that the application gives moves only by its own session",
    async run(target) {
      const ids = new Set<string>();
      const clients = await Promise.all(Array.from({ length: 20 }, () => TestClient.open(target.url)));
      for (const client of target.hub) ids.add(client.id);
      assert.equal(ids.size, 20);
      for (const id of ids) assert.match(id, /^[\w-]{22}$/);
      await Promise.all(clients.map((client) => client.close()));
    },
  },
  {
    id: "A41",
    title: "ids with separators, control characters, NUL, look-alikes and 10 kB",
    answer: "400 for a length over the limit and for broken Unicode; every other id is itself and no one else",
    async run(target) {
      assert.equal(await target.statusOf({}, `/ws?id=${"x".repeat(10_000)}`), 400);
      assert.equal(await target.statusOf({}, "/ws?id="), 400);
      const ids = ["a:b", "*", "a\0", "a\r\nb", "__proto__", "\u0430dmin", "admin", "ADMIN"];
      const clients = [];
      for (const id of ids) clients.push(await TestClient.open(`${target.url}?id=${encodeURIComponent(id)}`));
      for (const [index, id] of ids.entries()) {
        assert.equal(await target.hub.emit(id, id), true);
        assert.equal(await clients[index]?.next(), id);
      }
      await Promise.all(clients.map((client) => client.close()));
    },
  },
];

/** Kept apart because it takes as long as the server's patience. */
export async function slowloris(target: Target): Promise<number> {
  const since = performance.now();
  const client = await target.connect();
  client.socket.write("GET /ws HTTP/1.1\r\nhost: x\r\nx-slow: ");
  const drip = setInterval(() => client.socket.write("y"), 1_000);
  await new Promise<void>((resolve) => client.socket.once("close", () => resolve()));
  clearInterval(drip);
  return performance.now() - since;
}
