/**
 * Good calls among bad ones, from three client libraries: 1,000 of each pair, or as many as RPC_LOAD_CALLS says.
 *
 *   RPC_LOAD_CALLS=10000 npm test -- --file rpc-load
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { createToken } from "../../src/rpc/token.ts";
import { END_HEADERS, END_STREAM, H2, h2Frame, h2Headers, RawH2 } from "../kit/h2.ts";
import { usedHeapBytes } from "../kit/heap.ts";
import { rpcLoad } from "../kit/rpc-load.ts";
import { openToy, SECRET, TOY_HOST, ToyLog } from "../kit/toy-rpc.ts";
import { until } from "../kit/until.ts";

const CALLS = Number(process.env["RPC_LOAD_CALLS"] ?? 1_000);
const LIMIT_BYTES = 50_000;
const MAX_STREAMS = 128;
/** What the runtime itself may have grown by. */
const MARGIN_BYTES = 24 * 1_048_576;

/** Frames of a call that ends early in one way or another, or that is good. */
function rawCall(stream: number, turn: number, token: string): { frames: Buffer[]; good: boolean } {
  const headers = (path: string, more: Record<string, string> = {}): Buffer =>
    h2Frame(
      H2.HEADERS,
      END_HEADERS,
      stream,
      h2Headers({
        ":method": "POST",
        ":scheme": "http",
        ":path": `/websocket.Websocket/${path}`,
        ":authority": "x",
        "content-type": "application/grpc",
        te: "trailers",
        authorization: `Bearer ${token}`,
        ...more,
      }),
    );
  const data = (bytes: readonly number[], flags = END_STREAM): Buffer =>
    h2Frame(H2.DATA, flags, stream, Buffer.from(bytes));
  const reset = h2Frame(H2.RST_STREAM, 0, stream, Buffer.of(0, 0, 0, 8));
  const alice = [...Buffer.from("alice")];
  const slow = [...Buffer.from("slow")];
  const message = (field: readonly number[]): number[] => [0, 0, 0, 0, field.length + 2, 10, field.length, ...field];
  const bad: Buffer[][] = [
    // Longer than the limit, and it says so at once.
    [headers("Broadcast"), data([0, 0, 0xff, 0xff, 0xff, 1, 2, 3], 0)],
    [headers("Emit"), data(message(slow)), reset],
    [headers("Emit"), reset],
    [headers("Emit", { "grpc-timeout": "20m" }), data(message(slow))],
    [headers("Emit", { "grpc-timeout": "20m" }), data([0, 0, 0, 0, 9], 0)],
    // No message, half a message, two messages, no Protobuf.
    [headers("Emit"), data([])],
    [headers("Emit"), data([0, 0, 0, 0, 9, 1])],
    [headers("Emit"), data([...message(alice), ...message(alice)])],
    [headers("Emit"), data([0, 0, 0, 0, 3, 10, 200, 1])],
    [headers("Nothing"), data(message(alice), 0)],
  ];
  const frames = turn % 2 === 0 ? undefined : bad[((turn - 1) / 2) % bad.length];
  return { frames: frames ?? [headers("Online"), data(message(alice))], good: frames === undefined };
}

/** Good and bad calls over one connection; resolves with the good ones that were not answered as they should be. */
async function rawLoad(port: number, token: string): Promise<number[]> {
  const client = new RawH2(port);
  const good: number[] = [];
  // {"online": true}, with gRPC's five bytes before it.
  const right = Buffer.of(0, 0, 0, 0, 2, 8, 1);
  const answered = (stream: number): boolean => client.of(stream, H2.DATA).some(({ payload }) => payload.equals(right));
  const missing: number[] = [];
  try {
    for (let turn = 0; turn < CALLS; turn++) {
      const stream = 1 + 2 * turn;
      const call = rawCall(stream, turn, token);
      if (call.good) good.push(stream);
      client.send(...call.frames);
      // Not more at once than a connection may have.
      if (turn % 32 !== 31) continue;
      await until("the answers", () => good.every(answered) || client.socket.destroyed);
      missing.push(...good.filter((each) => !answered(each)));
      good.length = 0;
      client.frames.length = 0;
    }
    return missing;
  } finally {
    client.socket.destroy();
  }
}

test("good calls pass among oversized, cancelled, expired and malformed ones, and nothing is left of these", {
  timeout: Math.max(170_000, 60 * CALLS),
}, async () => {
  const log = new ToyLog();
  const port = await openToy({ secret: SECRET, log, readMaxBytes: LIMIT_BYTES, maxConcurrentStreams: MAX_STREAMS });
  try {
    const token = await createToken({ secret: SECRET, audience: TOY_HOST });
    const half = Math.ceil(CALLS / 2);
    const plan = { host: port.host, token, oversizedBytes: 3 * LIMIT_BYTES, maxStreams: MAX_STREAMS };
    // Once to warm up: then nothing more may stay.
    await rpcLoad({ ...plan, calls: 200 });
    await rawLoad(port.port, token);
    const before = usedHeapBytes();
    const [report, missing] = await Promise.all([
      rpcLoad({ ...plan, calls: half }),
      rawLoad(port.port, token),
    ]);
    assert.deepEqual(report.wrong, []);
    assert.equal(report.calls, 2 * (half + MAX_STREAMS));
    assert.deepEqual(missing, []);
    await until("the ends of the calls that waited", () => {
      return log.abandoned.length === log.emitted.filter((id) => id === "slow").length;
    });
    log.emitted.length = 0;
    log.abandoned.length = 0;
    const grown = usedHeapBytes() - before;
    assert.ok(grown < MARGIN_BYTES, `the heap grew by ${Math.round(grown / 1_048_576)} MiB`);
  } finally {
    await port.close();
  }
});
