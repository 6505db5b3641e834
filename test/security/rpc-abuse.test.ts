import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { memoryUsage } from "node:process";
import { test } from "node:test";
import { createToken } from "../../src/rpc/token.ts";
import { selfSigned } from "../kit/certificate.ts";
import { END_HEADERS, END_STREAM, H2, h2Frame, h2Headers, RawH2 } from "../kit/h2.ts";
import { openToy, SECRET, TOY_HOST } from "../kit/toy-rpc.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const PATH = "/websocket.Websocket/Online";
const BODY = '{"id":"alice"}';
/** What a flood may leave behind, the runtime's own growth included. */
const MARGIN_BYTES = 128 * 1_048_576;

function http1Call(token?: string): string {
  const authorization = token === undefined ? "" : `authorization: Bearer ${token}\r\n`;
  const head = `host: x\r\ncontent-type: application/json\r\nconnect-protocol-version: 1\r\n${authorization}`;
  return `POST ${PATH} HTTP/1.1\r\n${head}content-length: ${BODY.length}\r\n\r\n${BODY}`;
}

function http2Call(stream: number, token?: string): Buffer {
  const headers = h2Headers({
    ":method": "POST",
    ":scheme": "http",
    ":path": PATH,
    ":authority": "x",
    "content-type": "application/json",
    "connect-protocol-version": "1",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  });
  return Buffer.concat([
    h2Frame(H2.HEADERS, END_HEADERS, stream, headers),
    h2Frame(H2.DATA, END_STREAM, stream, Buffer.from(BODY)),
  ]);
}

/** A connection, what came on it, and its end. */
function raw(
  port: number,
  bytes: string | Uint8Array,
): { socket: Socket; closed: Promise<void>; answer: () => string } {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
  socket.write(bytes);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return { socket, closed: within("the cut", closed), answer: () => answer };
}

test("a connection on which nobody shows a good token is cut in time, and one on which somebody did stays", async () => {
  const port = await openToy({ secret: SECRET, proofTimeoutMs: 1_500 });
  try {
    const token = await createToken({ secret: SECRET, audience: TOY_HOST });
    const one = raw(port.port, http1Call(token));
    const two = new RawH2(port.port);
    two.send(http2Call(1, token));
    await until("the answers", () => one.answer().includes("true") && two.answer.includes("true"));
    // Who comes later is cut later: then the others' time has passed, too.
    const nothing = new RawH2(port.port);
    const refused = new RawH2(port.port);
    refused.send(http2Call(1), http2Call(3, "a.b.c"));
    const strangers = [
      raw(port.port, http1Call()),
      raw(port.port, `${http1Call()}POST ${PATH} HTTP/1.1\r\nhost:`),
      raw(port.port, "GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    ];
    await until("a refusal", () => strangers[0]?.answer().includes("unauthenticated") === true);
    await Promise.all([...strangers, nothing, refused].map(({ closed }) => within("the cut", closed)));
    const answered = one.answer().length;
    one.socket.write(http1Call(token));
    two.answer = "";
    two.send(http2Call(3, token));
    await until("more answers", () => one.answer().length > answered && two.answer.includes("true"));
    one.socket.destroy();
    two.socket.destroy();
  } finally {
    await port.close();
  }
});

test("a TLS handshake that does not end is cut in time", async () => {
  const port = await openToy({ tls: selfSigned(), proofTimeoutMs: 400 });
  try {
    // The start of a ClientHello.
    const stuck = ["", "16030100c8010000c40303"].map((hex) => raw(port.port, Buffer.from(hex, "hex")));
    for (const { closed } of stuck) await closed;
  } finally {
    await port.close();
  }
});
test("connections that break the protocol leave no trace: there is room for as many again", async () => {
  const port = await openToy({ secret: SECRET, maxConnections: 20 });
  try {
    for (let round = 0; round < 5; round++) {
      const broken = Array.from({ length: 20 }, () => new RawH2(port.port));
      // DATA on stream 0 is an error of the connection (RFC 9113 section 6.1).
      for (const client of broken) client.send(h2Frame(H2.DATA, 0, 0, Buffer.of(1)));
      await Promise.all(broken.map(({ closed }) => within("the end", closed)));
    }
    const token = await createToken({ secret: SECRET, audience: TOY_HOST });
    await until("an answer", async () => {
      const one = raw(port.port, http1Call(token));
      await until("it", () => one.answer() !== "" || one.socket.destroyed);
      one.socket.destroy();
      return one.answer().includes("true");
    });
  } finally {
    await port.close();
  }
});

test("an HTTP/2 connection is told its limits: streams and header list", async () => {
  const port = await openToy({ secret: SECRET });
  try {
    const client = new RawH2(port.port);
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 section 6.5.2).
    for (const setting of ["\0\x03\0\0\0\x80", "\0\x06\0\0\x40\0"]) {
      await until("the settings", () => client.answer.includes(setting));
    }
    client.socket.destroy();
  } finally {
    await port.close();
  }
});

const HEAD = h2Headers({ ":method": "POST", ":scheme": "http", ":path": PATH, ":authority": "x" });
const CANCEL = Buffer.of(0, 0, 0, 8);

function* streams(count: number): Generator<number> {
  for (let stream = 1; stream < 2 * count; stream += 2) yield stream;
}

/** What a stranger may send in no time, by what it is called. */
const FLOODS: Readonly<Record<string, () => Buffer[]>> = {
  "streams that are reset as soon as they are opened": () =>
    [...streams(5_000)].flatMap((stream) => [
      h2Frame(H2.HEADERS, END_HEADERS, stream, HEAD),
      h2Frame(H2.RST_STREAM, 0, stream, CANCEL),
    ]),
  "streams that make the server reset them": () =>
    [...streams(5_000)].flatMap((stream) => [
      h2Frame(H2.HEADERS, END_HEADERS | END_STREAM, stream, HEAD),
      // A window that grows by nothing (RFC 9113 section 6.9).
      h2Frame(H2.WINDOW_UPDATE, 0, stream, Buffer.alloc(4)),
    ]),
  "headers that go on and on": () => [
    h2Frame(H2.HEADERS, 0, 1, HEAD),
    ...Array.from(
      { length: 2_000 },
      (_, n) => h2Frame(H2.CONTINUATION, 0, 1, h2Headers({ [`x-${n}`]: "y".repeat(8_000) })),
    ),
  ],
  "pings": () => Array.from({ length: 100_000 }, () => h2Frame(H2.PING, 0, 0, Buffer.alloc(8))),
  "settings": () => Array.from({ length: 50_000 }, () => h2Frame(H2.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 0xff, 0xff))),
  "data frames with nothing in them": () => [
    h2Frame(H2.HEADERS, END_HEADERS, 1, HEAD),
    ...Array.from({ length: 100_000 }, () => h2Frame(H2.DATA, 0, 1)),
  ],
  "frames larger than was agreed": () =>
    Array.from({ length: 20 }, () => h2Frame(H2.PING, 0, 0, Buffer.alloc(1_000_000))),
};

for (const [what, flood] of Object.entries(FLOODS)) {
  test(`a flood of ${what} is cut, and others are served`, async () => {
    const port = await openToy({ secret: SECRET, proofTimeoutMs: 2_000 });
    try {
      const rssBefore = memoryUsage().rss;
      const frames = flood();
      const attackers = [new RawH2(port.port), new RawH2(port.port)];
      // One of them reads no answer.
      attackers[1]?.socket.pause();
      for (const attacker of attackers) attacker.send(...frames);
      const token = await createToken({ secret: SECRET, audience: TOY_HOST });
      const other = raw(port.port, http1Call(token));
      await until("another's answer", () => other.answer().includes("true"));
      other.socket.destroy();
      await within("the cut", attackers[0]?.closed ?? Promise.reject(new Error("nobody attacked")));
      // Who reads nothing does not see its end either, until it looks.
      attackers[1]?.socket.resume();
      await within("the other cut", attackers[1]?.closed ?? Promise.reject(new Error("nobody attacked")));
      const grown = memoryUsage().rss - rssBefore;
      assert.ok(grown < MARGIN_BYTES, `grew by ${grown >> 20} MiB`);
    } finally {
      await port.close();
    }
  });
}
