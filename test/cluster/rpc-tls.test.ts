import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { transportTo } from "../../adapters/rpc/transport.ts";
import { Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import { fromRpcError } from "../../src/rpc/error.ts";
import { selfSigned } from "../kit/certificate.ts";
import { grpc } from "../kit/grpc.ts";
import { runtime } from "../kit/runtime.ts";
import { MAX_BYTES, openToy } from "../kit/toy-rpc.ts";
import { within } from "../kit/wait.ts";

const limits = { readMaxBytes: MAX_BYTES, writeMaxBytes: MAX_BYTES };
const tls = selfSigned();

test("with TLS a node's transport calls and streams", async () => {
  const port = await openToy({ tls });
  const transport = transportTo(port.host, { runtime, ...limits, tls: { ca: tls.cert } });
  try {
    assert.equal((await createClient(Websocket, transport).emit({ id: "alice" })).success, true);
    const batches = async function* (): AsyncGenerator<{ number: bigint }> {
      yield { number: 1n };
      yield { number: 2n };
    };
    const numbers: bigint[] = [];
    for await (const { number } of createClient(Node, transport).link(batches())) numbers.push(number);
    assert.deepEqual(numbers, [1n, 2n]);
  } finally {
    transport.close();
    await port.close();
  }
});

test("with TLS a gRPC client calls, many times, and goes", async () => {
  const port = await openToy({ tls });
  try {
    const emit = { method: "websocket.Websocket/Emit", request: { id: "alice" } };
    for (const times of [200, 1]) {
      const [last] = await grpc({ host: port.host, ca: tls.cert, calls: [{ ...emit, times }] });
      assert.deepEqual(last, { code: 0, response: { success: true } });
    }
  } finally {
    await port.close();
  }
});

test("a node with a certificate of nobody known is not called", async () => {
  const port = await openToy({ tls });
  const transport = transportTo(port.host, { runtime, ...limits, tls: { ca: selfSigned().cert } });
  try {
    const error = await createClient(Websocket, transport).emit({ id: "alice" }).catch((reason: unknown) => reason);
    assert.equal(fromRpcError(error).code, "unavailable");
  } finally {
    transport.close();
    await port.close();
  }
});

test("a TLS port outlives handshakes that fail", async () => {
  const port = await openToy({ tls });
  const transport = transportTo(port.host, { runtime, ...limits, tls: { ca: tls.cert } });
  try {
    for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", ""]) {
      const socket = connectTcp(port.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      socket.end(bytes);
      await within("the end of the connection", new Promise((resolve) => socket.once("close", resolve)));
    }
    assert.equal((await createClient(Websocket, transport).emit({ id: "alice" })).success, true);
  } finally {
    transport.close();
    await port.close();
  }
});

test("a TLS port offers HTTP/2 and HTTP/1.1", async () => {
  const port = await openToy({ tls });
  try {
    for (const protocol of ["h2", "http/1.1"]) {
      const socket: TLSSocket = connect({
        port: port.port,
        host: "127.0.0.1",
        ca: tls.cert,
        ALPNProtocols: [protocol],
      });
      await within("the handshake", new Promise((resolve) => socket.once("secureConnect", () => resolve(undefined))));
      assert.equal(socket.alpnProtocol, protocol);
      socket.destroy();
    }
  } finally {
    await port.close();
  }
});

test("with mutual TLS a caller without a certificate of the authority is refused, and one with it is answered", async () => {
  const port = await openToy({ tls: { ...tls, clientCa: tls.cert } });
  const stranger = selfSigned();
  const certificates = [{}, stranger, { cert: tls.cert, key: tls.key }];
  const answers: unknown[] = [];
  try {
    for (const own of certificates) {
      const transport = transportTo(port.host, { runtime, ...limits, tls: { ca: tls.cert, ...own } });
      const call = createClient(Websocket, transport).emit({ id: "alice" }, { timeoutMs: 5_000 });
      answers.push(await call.then(({ success }) => success, () => "refused"));
      transport.close();
    }
  } finally {
    await port.close();
  }
  assert.deepEqual(answers, ["refused", "refused", true]);
});
