import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import { Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import { transportTo } from "../../adapters/rpc/transport.ts";
import { grpc, GrpcCode } from "../kit/grpc.ts";
import { runtime } from "../kit/runtime.ts";
import { MAX_BYTES, openToy, ToyLog } from "../kit/toy-rpc.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const limits = { readMaxBytes: MAX_BYTES, writeMaxBytes: MAX_BYTES };
const EMIT = "/websocket.Websocket/Emit";
const JSON_CALL = { "content-type": "application/json", "connect-protocol-version": "1" };

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** An empty SETTINGS frame, and the answer to one (RFC 9113 section 6.5). */
const SETTINGS = "\0\0\0\x04\0\0\0\0\0";
const SETTINGS_ACK = "\0\0\0\x04\x01\0\0\0\0";

/** A connection that sends what it is told and keeps what it is answered. */
class Raw {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  answer = "";

  constructor(port: number, bytes: string | Uint8Array = "") {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: Buffer) => void (this.answer += chunk.toString("latin1")));
    this.closed = within(
      "the end of the connection",
      new Promise((resolve) => this.socket.once("close", () => resolve())),
    );
    // Only the test that waits for it cares.
    this.closed.catch(() => {});
    this.socket.write(bytes);
  }
}

async function isAlive(host: string): Promise<boolean> {
  const transport = createFetchTransport({ baseUrl: `http://${host}`, ...limits });
  return (await createClient(Websocket, transport).emit({ id: "alice" }, { timeoutMs: 5_000 })).success;
}

test("a request with an Origin is refused before anything looks at it", async () => {
  const log = new ToyLog();
  const port = await openToy({ log });
  try {
    const raw = new Raw(
      port.port,
      `POST ${EMIT} HTTP/1.1\r\nhost: x\r\norigin: http://x\r\ncontent-type: application/json\r\n` +
        `connect-protocol-version: 1\r\ncontent-length: 2\r\n\r\n{}`,
    );
    await raw.closed;
    assert.match(raw.answer, /^HTTP\/1\.1 403 /);
    assert.match(raw.answer, /"code":"permission_denied"/);
    const call = { method: "websocket.Websocket/Emit", headers: { origin: "http://x" } };
    const [result] = await grpc({ host: port.host, calls: [call] });
    assert.equal(result?.code, GrpcCode.PermissionDenied);
    assert.deepEqual(log.emitted, []);
  } finally {
    await port.close();
  }
});

test("only POST requests to paths of the services are answered", async () => {
  const port = await openToy();
  try {
    const status = async (path: string, init: RequestInit): Promise<number> => {
      const response = await fetch(`http://${port.host}${path}`, init);
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await status(EMIT, { method: "POST", headers: JSON_CALL, body: "{}" }), 200);
    assert.equal(await status(`${EMIT}?x`, { method: "POST", headers: JSON_CALL, body: "{}" }), 200);
    assert.equal(await status(`${EMIT}?connect=v1&encoding=json&message={}`, {}), 405);
    assert.equal(await status(EMIT, { method: "OPTIONS" }), 405);
    assert.equal(await status("/", { method: "POST", headers: JSON_CALL, body: "{}" }), 404);
    assert.equal(await status(`${EMIT}/`, { method: "POST", headers: JSON_CALL, body: "{}" }), 404);
    assert.equal(await status(EMIT, { method: "POST", headers: { "content-type": "text/plain" }, body: "{}" }), 415);
    const plain = { "content-type": "application/json" };
    assert.equal(
      await status(EMIT, { method: "POST", headers: plain, body: "{}" }),
      400,
      "no connect-protocol-version",
    );
  } finally {
    await port.close();
  }
});

test("a curl user calls with JSON", async () => {
  const port = await openToy();
  try {
    const body = JSON.stringify({ id: "alice", data: btoa("hi") });
    const response = await fetch(`http://${port.host}${EMIT}`, { method: "POST", headers: JSON_CALL, body });
    assert.deepEqual(await response.json(), { success: true });
  } finally {
    await port.close();
  }
});

test("bytes that are no HTTP, and hosts that are none, harm no one", async () => {
  const port = await openToy();
  const head =
    `POST ${EMIT} HTTP/1.1\r\ncontent-type: application/json\r\nconnect-protocol-version: 1\r\ncontent-length: 2`;
  try {
    const garbage = [
      "\0\0\0\0\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
      `${head}\r\nhost: a b\r\n\r\n{}`,
      `${head}\r\nhost: [\r\n\r\n{}`,
      `${head}\r\nhost: x\r\nx: ${"y".repeat(70_000)}\r\n\r\n{}`,
      `POST http://[/ HTTP/1.1\r\nhost: x\r\n\r\n`,
    ];
    for (const bytes of garbage) {
      const raw = new Raw(port.port, Buffer.from(bytes, "latin1"));
      await until(`an answer to ${bytes.slice(0, 40)}`, () => raw.answer !== "" || raw.socket.destroyed);
      assert.doesNotMatch(raw.answer, /^HTTP\/1\.1 200/);
      raw.socket.destroy();
      assert.equal(await isAlive(port.host), true);
    }
  } finally {
    await port.close();
  }
});

test("a connection that says nothing, half a preface or half a head is cut in time", async () => {
  const port = await openToy({ proofTimeoutMs: 100 });
  try {
    const silent = ["", "P", "PRI * HTTP/2.0\r\n", `POST ${EMIT} HTTP/1.1\r\nhost: x\r\n`].map((bytes) =>
      new Raw(port.port, bytes)
    );
    for (const { closed } of silent) await closed;
  } finally {
    await port.close();
  }
});

test("a preface or a head that comes byte by byte is understood", async () => {
  const port = await openToy();
  const head = `POST ${EMIT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnect-protocol-version: 1\r\n`;
  const call = `${head}content-length: 14\r\n\r\n{"id":"alice"}`;
  try {
    for (const [bytes, answer] of [[call, "true"], [`${PREFACE}${SETTINGS}`, SETTINGS_ACK]] as const) {
      const raw = new Raw(port.port);
      raw.socket.setNoDelay(true);
      for (const byte of bytes) {
        await new Promise<void>((resolve) => raw.socket.write(byte, () => setImmediate(resolve)));
      }
      await until("the answer", () => raw.answer.includes(answer));
      raw.socket.destroy();
    }
  } finally {
    await port.close();
  }
});

test("an HTTP/2 connection is told how many calls it may have open", async () => {
  const port = await openToy({ maxConcurrentStreams: 7 });
  try {
    const raw = new Raw(port.port, `${PREFACE}${SETTINGS}`);
    // SETTINGS_MAX_CONCURRENT_STREAMS is 3 (RFC 9113 section 6.5.2).
    await until("the settings", () => raw.answer.includes("\0\x03\0\0\0\x07"));
    raw.socket.destroy();
  } finally {
    await port.close();
  }
});

test("one connection too many is cut, and there is room again when another goes", async () => {
  const port = await openToy({ maxConnections: 2 });
  try {
    const [first, second] = [new Raw(port.port, "P"), new Raw(port.port, "P")];
    await until("both to be open", () => !first.socket.connecting && !second.socket.connecting);
    await new Raw(port.port, "P").closed;
    first.socket.destroy();
    second.socket.destroy();
    await until("room", () => isAlive(port.host).catch(() => false));
  } finally {
    await port.close();
  }
});

test("a port in use is unavailable, with what to do about it", async () => {
  const port = await openToy();
  try {
    await assert.rejects(openToy({ port: port.port }), { name: "MeshError", code: "unavailable", message: /in use/ });
  } finally {
    await port.close();
  }
});

test("a closing port lets a call end that listens to its signal, and refuses new ones", async () => {
  const log = new ToyLog();
  const port = await openToy({ log, closeTimeoutMs: 5_000 });
  const transport = transportTo(port.host, { runtime, ...limits });
  try {
    const client = createClient(Websocket, transport);
    const call = client.emit({ id: "slow" });
    await until("the call to arrive", () => log.emitted.length === 1);
    const closed = port.close();
    assert.equal(port.close(), closed);
    assert.equal((await within("the answer", call)).success, false);
    await within("the port to close", closed, 3_000);
    await assert.rejects(client.emit({ id: "alice" }));
  } finally {
    transport.close();
  }
});

test("a closing port cuts what does not end by itself", async () => {
  const port = await openToy({ closeTimeoutMs: 100 });
  const transport = transportTo(port.host, { runtime, ...limits });
  let end: () => void = () => {};
  const batches = async function* (): AsyncGenerator<{ number: bigint }> {
    yield { number: 1n };
    await new Promise<void>((resolve) => (end = resolve));
  };
  const answers = createClient(Node, transport).link(batches())[Symbol.asyncIterator]();
  assert.equal((await answers.next()).done, false);
  const idle = new Raw(port.port, "P");
  const rest = assert.rejects(answers.next());
  await within("the port to close", port.close());
  await rest;
  await idle.closed;
  end();
  transport.close();
});

test("a port without calls closes at once, whoever is connected", async () => {
  const port = await openToy({ closeTimeoutMs: 60_000 });
  const transport = transportTo(port.host, { runtime, ...limits });
  await createClient(Websocket, transport).emit({ id: "alice" });
  assert.equal(await isAlive(port.host), true);
  const silent = new Raw(port.port);
  await within("the port to close", port.close());
  await silent.closed;
  transport.close();
});
