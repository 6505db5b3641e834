/** The RPC port behind proxies that share one connection between many callers. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, test } from "node:test";
import { createToken } from "../../src/rpc/token.ts";
import { FRONTS, startFront } from "../kit/fronts.ts";
import { grpc, type GrpcCall, GrpcCode } from "../kit/grpc.ts";
import { killPrograms } from "../kit/program.ts";
import { openToy, SECRET, TOY_HOST } from "../kit/toy-rpc.ts";

const LIMIT_BYTES = 1_000_000;

after(killPrograms);

for (const name of Object.keys(FRONTS) as (keyof typeof FRONTS)[]) {
  test(`behind ${name} with HTTP/2, oversized, cancelled and unknown calls harm no other`, async () => {
    const port = await openToy({ secret: SECRET, readMaxBytes: LIMIT_BYTES });
    const front = await startFront(name, port.port);
    try {
      const token = await createToken({ secret: SECRET, audience: TOY_HOST });
      const broadcast = (bytes: number, times: number): GrpcCall => {
        const data = Buffer.alloc(bytes, "x").toString("base64");
        return { method: "websocket.Websocket/Broadcast", request: { data }, token, times };
      };
      const late: GrpcCall = {
        method: "websocket.Websocket/Emit",
        request: { id: "slow" },
        token,
        times: 64,
        timeoutMs: 100,
      };
      const unknown: GrpcCall = { method: "meshsocket.v1.Cluster/Nodes", token, times: 64 };
      const good = broadcast(1_000, 64);
      const bad = [broadcast(2 * LIMIT_BYTES + 200_000, 32), late, unknown];
      const calls = [...bad, ...bad, ...bad, ...bad].flatMap((call) => [call, good]);
      const results = await grpc({ host: front.host, calls });
      const codes = results.map(({ code }) => code);
      const { ResourceExhausted, DeadlineExceeded, Unimplemented, Ok } = GrpcCode;
      const round = [ResourceExhausted, Ok, DeadlineExceeded, Ok, Unimplemented, Ok];
      assert.deepEqual(codes, [...round, ...round, ...round, ...round]);
    } finally {
      await front.close();
      await port.close();
    }
  });
}
