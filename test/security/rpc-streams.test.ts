/** The HTTP/2 streams of the RPC port: none stays open after its answer, whatever its caller still sends. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { MembersRequestSchema } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { createToken } from "../../src/rpc/token.ts";
import { grpc, type GrpcCall, GrpcCode } from "../kit/grpc.ts";
import { END_HEADERS, END_STREAM, H2, h2Frame, h2Headers, RawH2 } from "../kit/h2.ts";
import { MAX_BYTES, openToy, SECRET, TOY_HOST } from "../kit/toy-rpc.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const BROADCAST = "websocket.Websocket/Broadcast";
const MAX_STREAMS = 2;
const ROUNDS = 10;

function base64(bytes: number): string {
  return Buffer.alloc(bytes, "x").toString("base64");
}

test("a gRPC channel that sent more oversized calls than it may have streams still makes good ones", async () => {
  const port = await openToy({ secret: SECRET, maxConcurrentStreams: 128, readMaxBytes: 100_000 });
  try {
    const token = await createToken({ secret: SECRET, audience: TOY_HOST });
    const call = (bytes: number, times: number): GrpcCall => {
      return { method: BROADCAST, request: { data: base64(bytes) }, token, times, timeoutMs: 5_000 };
    };
    const [oversized, good] = [call(220_000, 64), call(1_000, 64)];
    const results = await grpc({ host: port.host, calls: [oversized, good, oversized, good, oversized, good] });
    const { ResourceExhausted, Ok } = GrpcCode;
    const round = [ResourceExhausted, Ok];
    assert.deepEqual(results.map(({ code }) => code), [...round, ...round, ...round]);
  } finally {
    await port.close();
  }
});

/** More answers than Node's own limit of what a connection holds, 10 MiB, has room for. */
const CUT_ANSWERS = 700;

test("a connection that cancels more answers than one may hold at once still gets one", async () => {
  const port = await openToy({ secret: SECRET });
  const client = new RawH2(port.port);
  try {
    const token = await createToken({ secret: SECRET, audience: TOY_HOST });
    const request = toBinary(MembersRequestSchema, create(MembersRequestSchema, { topic: "large" }));
    const head = h2Headers({
      ":method": "POST",
      ":scheme": "http",
      ":path": "/meshsocket.v1.Cluster/Members",
      ":authority": "x",
      "content-type": "application/proto",
      "connect-protocol-version": "1",
      authorization: `Bearer ${token}`,
    });
    const call = (stream: number): void =>
      client.send(h2Frame(H2.HEADERS, END_HEADERS, stream, head), h2Frame(H2.DATA, END_STREAM, stream, request));
    // No stream may send a byte: each answer waits until it is cancelled.
    client.send(h2Frame(H2.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0)));
    for (let stream = 1; stream < 2 * CUT_ANSWERS; stream += 2) {
      call(stream);
      await until("the head of the answer", () => client.of(stream, H2.HEADERS).length > 0);
      client.send(h2Frame(H2.RST_STREAM, 0, stream, Buffer.of(0, 0, 0, 8)));
      client.frames.length = 0;
    }
    client.send(h2Frame(H2.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 255, 255)));
    const last = 2 * CUT_ANSWERS + 1;
    call(last);
    const bytes = (): number => client.of(last, H2.DATA).reduce((sum, { payload }) => sum + payload.length, 0);
    await until("a whole answer", () => bytes() > 2 * MAX_BYTES);
  } finally {
    client.socket.destroy();
    await port.close();
  }
});

/** The beginning of a gRPC call of `Broadcast`: all of its message of so many bytes but the last one. */
function startCall(stream: number, bytes: number, headers: Readonly<Record<string, string>>): Buffer[] {
  const message = Buffer.alloc(5 + 3 + bytes, "x");
  message[0] = 0;
  message.writeUInt32BE(3 + bytes, 1);
  // Field 1, bytes of a length that is two septets.
  message.set([0x0a, (bytes & 127) | 128, bytes >> 7], 5);
  const block = h2Headers({
    ":method": "POST",
    ":scheme": "http",
    ":path": `/${BROADCAST}`,
    ":authority": "x",
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...headers,
  });
  const start = message.subarray(0, message.length - 1);
  return [h2Frame(H2.HEADERS, END_HEADERS, stream, block), h2Frame(H2.DATA, 0, stream, start)];
}

/** Calls that are answered before they were read to their end. */
const EARLY: Readonly<Record<string, { bytes: number; headers: Record<string, string> }>> = {
  "over the limit": { bytes: MAX_BYTES + 2_000, headers: {} },
  "without a token": { bytes: 5_000, headers: { authorization: "" } },
  "with an Origin": { bytes: 5_000, headers: { origin: "https://example.com" } },
  "to a method that does not exist": { bytes: 5_000, headers: { ":path": "/websocket.Websocket/Nothing" } },
  "to a service that does not exist": { bytes: 5_000, headers: { ":path": "/nothing.Nothing/Nothing" } },
  "with another HTTP method": { bytes: 5_000, headers: { ":method": "PUT" } },
  "with a deadline that is no number": { bytes: 5_000, headers: { "grpc-timeout": "soon" } },
  "with a deadline that passes while the message is awaited": { bytes: 5_000, headers: { "grpc-timeout": "50m" } },
  "that are compressed": { bytes: 5_000, headers: { "grpc-encoding": "gzip" } },
  "of another content type": { bytes: 5_000, headers: { "content-type": "text/plain" } },
};

for (const [what, { bytes, headers }] of Object.entries(EARLY)) {
  test(`calls ${what} that do not end leave no stream open`, async () => {
    const port = await openToy({ secret: SECRET, maxConcurrentStreams: MAX_STREAMS });
    const client = new RawH2(port.port);
    try {
      const authorization = `Bearer ${await createToken({ secret: SECRET, audience: TOY_HOST })}`;
      let stream = 1;
      for (let round = 0; round < ROUNDS; round++) {
        const streams = Array.from({ length: MAX_STREAMS }, (_, index) => stream + 2 * index);
        stream += 2 * MAX_STREAMS;
        await until("room", () => client.room >= MAX_STREAMS * (bytes + 8));
        for (const one of streams) client.send(...startCall(one, bytes, { authorization, ...headers }));
        await until("the answers", () => streams.every((one) => client.of(one, H2.HEADERS).length > 0));
        await until("the streams to end", () => streams.every((one) => client.of(one, H2.RST_STREAM).length > 0));
      }
      client.send(...startCall(stream, 100, { authorization }), h2Frame(H2.DATA, END_STREAM, stream, Buffer.from("x")));
      // A header and a field of one byte.
      await until("the answer to a good call", () => client.of(stream, H2.DATA).length > 0);
      assert.deepEqual(client.of(stream, H2.DATA)[0]?.payload, Buffer.of(0, 0, 0, 0, 2, 8, 100));
      assert.deepEqual(client.of(stream, H2.RST_STREAM), []);
    } finally {
      client.socket.destroy();
      await port.close();
    }
  });
}

test("an HTTP/1.1 connection whose call was answered before it ended is cut, and others are not", async () => {
  const port = await openToy({ secret: SECRET });
  const authorization = `Bearer ${await createToken({ secret: SECRET, audience: TOY_HOST })}`;
  const post = (bytes: number, length: number): string =>
    `POST /${BROADCAST} HTTP/1.1\r\nhost: x\r\ncontent-type: application/proto\r\nconnect-protocol-version: 1\r\n` +
    `authorization: ${authorization}\r\ncontent-length: ${length}\r\n\r\n${"\0".repeat(bytes)}`;
  try {
    const half = connect(port.port, "127.0.0.1");
    const ended = new Promise<void>((resolve) => half.once("close", () => resolve()));
    let answer = "";
    half.on("data", (chunk) => (answer += chunk.toString("latin1")));
    half.on("error", () => {});
    half.write(post(100, 2 * MAX_BYTES));
    await until("the answer", () => answer.includes("resource_exhausted"));
    await within("the cut", ended);
    const whole = connect(port.port, "127.0.0.1");
    let answers = "";
    whole.on("data", (chunk) => (answers += chunk.toString("latin1")));
    whole.write(post(2 * MAX_BYTES, 2 * MAX_BYTES));
    await until("the answer", () => answers.includes("resource_exhausted"));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    whole.write(post(0, 0));
    await until("the next answer", () => answers.includes("200 OK"));
    whole.destroy();
  } finally {
    await port.close();
  }
});
