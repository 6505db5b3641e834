/** Callers that mix good calls with bad ones, by grpc-js and by connect-node; always on Node, driven by rpc-load.ts. */
import assert from "node:assert/strict";
import process from "node:process";
import { text } from "node:stream/consumers";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { MAX_COUNTED_MIB } from "../../adapters/rpc/session-memory.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import {
  BroadcastRequestSchema,
  BroadcastResponseSchema,
  EmitRequestSchema,
  Websocket,
} from "../../src/gen/websocket/websocket_pb.ts";
import type { LoadPlan, LoadReport } from "./rpc-load.ts";

const plan = JSON.parse(await text(process.stdin)) as LoadPlan;
const AT_A_TIME = 64;
const GOOD_BYTES = 500;
const CANCEL_MS = 15;
const DEADLINE_MS = 30;

/** Makes a call of one kind; resolves with its status, and rejects for none. */
type Kinds = Readonly<Record<string, { readonly expected: number; readonly call: () => Promise<number> }>>;

/** A client library, ready to call. */
interface Library {
  readonly kinds: Kinds;
  readonly close: () => void;
}

/** What a caller does, in turn. Half of it is good. */
const TURNS = ["good", "oversized", "good", "cancelled", "good", "expired", "good", "malformed"] as const;

function grpcJs(): Library {
  const client = new Client(plan.host, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${plan.token}`);
  const unary = (method: string, request: Uint8Array, timeoutMs: number, cancelMs?: number): Promise<number> =>
    new Promise((resolve) => {
      const call = client.makeUnaryRequest(
        `/websocket.Websocket/${method}`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => bytes,
        request,
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error) resolve(error.code);
          else resolve(method === "Broadcast" && countOf(response) !== GOOD_BYTES ? -1 : 0);
        },
      );
      if (cancelMs !== undefined) setTimeout(() => call.cancel(), cancelMs);
    });
  const broadcast = (bytes: number): Uint8Array =>
    toBinary(BroadcastRequestSchema, create(BroadcastRequestSchema, { data: new Uint8Array(bytes) }));
  const slow = toBinary(EmitRequestSchema, create(EmitRequestSchema, { id: "slow" }));
  const good = broadcast(GOOD_BYTES);
  const oversized = broadcast(plan.oversizedBytes);
  return {
    kinds: {
      good: { expected: 0, call: () => unary("Broadcast", good, 20_000) },
      oversized: { expected: Code.ResourceExhausted, call: () => unary("Broadcast", oversized, 20_000) },
      cancelled: { expected: Code.Canceled, call: () => unary("Emit", slow, 20_000, CANCEL_MS) },
      expired: { expected: Code.DeadlineExceeded, call: () => unary("Emit", slow, DEADLINE_MS) },
      // As gRPC's own servers have it.
      malformed: { expected: Code.Internal, call: () => unary("Emit", Uint8Array.of(10, 200, 1), 20_000) },
    },
    close: () => client.close(),
  };
}

function countOf(response: Buffer | undefined): number {
  return response === undefined ? -1 : Number(fromBinary(BroadcastResponseSchema, response).count);
}

function connectNode(): Library {
  const nodeOptions = { maxSessionMemory: MAX_COUNTED_MIB };
  const transport = createGrpcTransport({ baseUrl: `http://${plan.host}`, nodeOptions });
  const headers = { authorization: `Bearer ${plan.token}` };
  const client = createClient(Websocket, transport);
  const other = createClient(Cluster, transport);
  const status = (call: Promise<boolean>): Promise<number> =>
    call.then((right) => (right ? 0 : -1), (error: unknown) => {
      const { code, message } = ConnectError.from(error);
      if (code === Code.Internal) console.error(message);
      return code;
    });
  const broadcast = (bytes: number): Promise<number> =>
    status(
      client.broadcast({ data: new Uint8Array(bytes) }, { headers, timeoutMs: 20_000 }).then(({ count }) =>
        Number(count) === bytes
      ),
    );
  const slow = (timeoutMs: number, signal?: AbortSignal): Promise<number> =>
    status(client.emit({ id: "slow" }, { headers, timeoutMs, ...(signal && { signal }) }).then(() => true));
  const cancelled = (): Promise<number> => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), CANCEL_MS);
    return slow(20_000, controller.signal);
  };
  return {
    kinds: {
      good: { expected: 0, call: () => broadcast(GOOD_BYTES) },
      oversized: { expected: Code.ResourceExhausted, call: () => broadcast(plan.oversizedBytes) },
      cancelled: { expected: Code.Canceled, call: cancelled },
      expired: { expected: Code.DeadlineExceeded, call: () => slow(DEADLINE_MS) },
      // This library cannot send a malformed message: it calls a method that is not there.
      malformed: { expected: Code.Unimplemented, call: () => status(other.nodes({}, { headers }).then(() => true)) },
    },
    close: () => {},
  };
}

async function run(name: string, kinds: Kinds, report: LoadReport): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let turn = next++; turn < plan.calls; turn = next++) await one(TURNS[turn % TURNS.length] ?? "good");
  };
  const one = async (kind: string): Promise<void> => {
    const { expected, call } = kinds[kind] ?? assert.fail(kind);
    const status = await call();
    report.calls++;
    if (status !== expected) report.wrong.push(`${name} ${kind}: ${status}, not ${expected}`);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  // As many at once as a connection may have streams: none may be taken.
  await Promise.all(Array.from({ length: plan.maxStreams }, () => one("good")));
}

const report: LoadReport = { calls: 0, wrong: [] };
for (const [name, open] of [["grpc-js", grpcJs], ["connect-node", connectNode]] as const) {
  const { kinds, close } = open();
  await run(name, kinds, report);
  close();
}
process.stdout.write(JSON.stringify(report), () => process.exit(0));
