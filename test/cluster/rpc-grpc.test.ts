import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createToken } from "../../src/rpc/token.ts";
import { grpc, GrpcCode } from "../kit/grpc.ts";
import { startPeer } from "../kit/rpc-peer.ts";
import { CANARY, MAX_BYTES, openToy, SECRET, TOY_HOST } from "../kit/toy-rpc.ts";

function base64(bytes: number): string {
  return Buffer.alloc(bytes, "x").toString("base64");
}

test("a gRPC client with nothing but the .proto files gets its answers", async () => {
  const port = await openToy();
  try {
    const results = await grpc({
      host: port.host,
      calls: [
        { method: "websocket.Websocket/Emit", request: { id: "alice", data: base64(5) } },
        { method: "websocket.Websocket/Emit", request: { id: "bob" } },
        { method: "websocket.Websocket/Online", request: { id: "alice" } },
        { method: "websocket.Websocket/Broadcast", request: { data: base64(9) } },
      ],
    });
    assert.deepEqual(results.map(({ code, response }) => ({ code, response })), [
      { code: 0, response: { success: true } },
      { code: 0, response: { success: false } },
      { code: 0, response: { online: true } },
      { code: 0, response: { count: "9" } },
    ]);
  } finally {
    await port.close();
  }
});

test("a gRPC stream goes both ways at once", async () => {
  const port = await openToy();
  try {
    const stream = [{ number: 1 }, { number: 2 }, { number: 3 }];
    const [result] = await grpc({ host: port.host, calls: [{ method: "meshsocket.node.v1.Node/Link", stream }] });
    assert.equal(result?.code, GrpcCode.Ok, result?.details);
    const answers = result?.response as readonly { number: string }[] | undefined;
    assert.deepEqual(answers?.map(({ number }) => number), ["1", "2", "3"]);
  } finally {
    await port.close();
  }
});

test("a gRPC caller gets the status of each error, and no text of a foreign one", async () => {
  const port = await openToy();
  try {
    const emit = (id: string): { method: string; request: object } => ({
      method: "meshsocket.v1.Cluster/Emit",
      request: { id },
    });
    const results = await grpc({
      host: port.host,
      calls: [
        emit("invalid_argument"),
        emit("resource_exhausted"),
        emit(""),
        { method: "meshsocket.v1.Cluster/Nodes" },
      ],
    });
    assert.deepEqual(results.map(({ code }) => code), [
      GrpcCode.InvalidArgument,
      GrpcCode.ResourceExhausted,
      GrpcCode.Internal,
      GrpcCode.Unimplemented,
    ]);
    assert.equal(results[0]?.details, "it is invalid_argument");
    assert.ok(!JSON.stringify(results).includes(CANARY));
  } finally {
    await port.close();
  }
});

test("a gRPC call to a service or a method that does not exist is unimplemented", async () => {
  const port = await openToy({ secret: SECRET });
  const folder = await mkdtemp(join(tmpdir(), "meshsocket-proto-"));
  try {
    const proto = join(folder, "later.proto");
    await writeFile(
      proto,
      `syntax = "proto3"; package websocket; message Empty {}
       service Websocket { rpc Later(Empty) returns (Empty); rpc Chat(stream Empty) returns (stream Empty); }
       service Other { rpc Call(Empty) returns (Empty); }`,
    );
    const token = await createToken({ secret: SECRET, audience: TOY_HOST });
    const calls = [
      { method: "websocket.Websocket/Later", token },
      { method: "websocket.Websocket/Chat", stream: [{}], token },
      { method: "websocket.Other/Call", token },
    ];
    const results = await grpc({ host: port.host, proto, calls });
    for (const [index, { code, details }] of results.entries()) {
      assert.deepEqual([code, details], [GrpcCode.Unimplemented, `there is no method /${calls[index]?.method}`]);
    }
  } finally {
    await rm(folder, { recursive: true });
    await port.close();
  }
});

test("a gRPC caller that compresses is told which encodings are taken", async () => {
  const port = await openToy();
  try {
    const headers = { "content-type": "application/grpc+proto", te: "trailers", "grpc-encoding": "gzip" };
    const init = { method: "POST", headers, body: Uint8Array.of(1, 0, 0, 0, 0) };
    const response = await fetch(`http://${port.host}/websocket.Websocket/Online`, init);
    await response.body?.cancel();
    assert.equal(response.headers.get("grpc-accept-encoding"), "identity");
  } finally {
    await port.close();
  }
});

test("a gRPC caller without a good token is unauthenticated", async () => {
  const port = await openToy({ secret: SECRET });
  try {
    const call = { method: "websocket.Websocket/Online", request: { id: "alice" } };
    const cluster = await createToken({ secret: SECRET, audience: "cluster" });
    const results = await grpc({
      host: port.host,
      calls: [
        call,
        { ...call, token: "x" },
        { ...call, token: await createToken({ secret: "another", audience: TOY_HOST }) },
        { ...call, token: await createToken({ secret: SECRET, audience: "toy:2" }) },
        { ...call, token: cluster },
        { ...call, token: await createToken({ secret: SECRET, audience: TOY_HOST }) },
        { method: "meshsocket.v1.Cluster/Members", token: cluster },
      ],
    });
    const { Unauthenticated, PermissionDenied, Ok } = GrpcCode;
    assert.deepEqual(
      results.map(({ code }) => code),
      [Unauthenticated, Unauthenticated, Unauthenticated, Unauthenticated, PermissionDenied, Ok, Ok],
    );
  } finally {
    await port.close();
  }
});

test("a gRPC message over the limit is resource_exhausted and the port goes on", async () => {
  const port = await openToy();
  try {
    const broadcast = (bytes: number): { method: string; request: object } => ({
      method: "websocket.Websocket/Broadcast",
      request: { data: base64(bytes) },
    });
    const results = await grpc({ host: port.host, calls: [broadcast(2 * MAX_BYTES), broadcast(MAX_BYTES / 2)] });
    assert.deepEqual(results.map(({ code }) => code), [GrpcCode.ResourceExhausted, GrpcCode.Ok]);
  } finally {
    await port.close();
  }
});

test("two thousand gRPC calls and a GOAWAY leave the port alive, again and again", async () => {
  // A process of its own: where this fails, it fails by aborting the process.
  const peer = await startPeer();
  try {
    const emit = { method: "websocket.Websocket/Emit", request: { id: "alice" } };
    for (const times of [300, 2_000, 1]) {
      const [last] = await grpc({ host: peer.host, calls: [{ ...emit, times }] });
      assert.deepEqual(last, { code: 0, response: { success: true } });
    }
  } finally {
    await peer.kill();
  }
});
