import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { transportTo } from "../../adapters/rpc/transport.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import { Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import { createRpcFetch } from "../../src/rpc/fetch-handler.ts";
import type { RpcServerOptions } from "../../src/rpc/server-options.ts";
import { bearer } from "../../src/rpc/bearer.ts";
import { fromRpcError } from "../../src/rpc/error.ts";
import { createToken } from "../../src/rpc/token.ts";
import { runtime } from "../kit/runtime.ts";
import { CANARY, MAX_BYTES, openToy, SECRET, TOY_HOST, ToyLog, toyRoutes } from "../kit/toy-rpc.ts";
import { serveFetch } from "../kit/serve-fetch.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const limits: RpcServerOptions = { readMaxBytes: MAX_BYTES, writeMaxBytes: 5 * MAX_BYTES };

/** A way to call a node; every test below holds for each. */
interface Way {
  readonly name: string;
  /** Whether requests can be streams. */
  readonly streams: boolean;
  open(options?: { log?: ToyLog; secret?: string }): Promise<{ transport: Transport; close(): Promise<void> }>;
}

const ways: readonly Way[] = [
  {
    name: "transportTo",
    streams: true,
    async open(options) {
      const port = await openToy(options);
      const transport = transportTo(port.host, { runtime, ...limits });
      return {
        transport,
        close: async () => {
          transport.close();
          await port.close();
        },
      };
    },
  },
  {
    name: "fetch",
    streams: true,
    async open(options) {
      const port = await openToy(options);
      return {
        transport: createFetchTransport({ baseUrl: `http://${port.host}`, ...limits }),
        close: () => port.close(),
      };
    },
  },
  {
    name: "fetch to a fetch handler",
    streams: true,
    async open(options = {}) {
      const handle = createRpcFetch(toyRoutes(options.log, options.secret), limits);
      const server = await serveFetch(async (request) => (await handle(request)) ?? new Response("app"));
      return { transport: createFetchTransport({ baseUrl: server.url, ...limits }), close: () => server.stop() };
    },
  },
  {
    name: "gRPC-Web",
    streams: false,
    async open(options) {
      const port = await openToy(options);
      return { transport: createGrpcWebTransport({ baseUrl: `http://${port.host}` }), close: () => port.close() };
    },
  },
];

/** Runs the body with a transport that is closed afterwards. */
async function over(
  way: Way,
  options: { log?: ToyLog; secret?: string },
  body: (transport: Transport) => Promise<void>,
): Promise<void> {
  const opened = await way.open(options);
  try {
    await body(opened.transport);
  } finally {
    await opened.close();
  }
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(() => "ok", (error: unknown) => fromRpcError(error).code);
}

for (const way of ways) {
  test(`${way.name}: a call gets its answer`, async () => {
    await over(way, {}, async (transport) => {
      const client = createClient(Websocket, transport);
      assert.equal((await client.emit({ id: "alice" })).success, true);
      assert.equal((await client.emit({ id: "bob" })).success, false);
      assert.equal((await client.broadcast({ data: new Uint8Array(7) })).count, 7n);
    });
  });

  test(`${way.name}: an error of the service keeps its code and text, a foreign one its silence`, async () => {
    await over(way, {}, async (transport) => {
      const client = createClient(Cluster, transport);
      const codes = ["invalid_argument", "unavailable", "deadline_exceeded", "unknown", "resource_exhausted"] as const;
      for (const code of [...codes, "failed_precondition", "permission_denied", "internal"] as const) {
        const error = fromRpcError(await client.emit({ id: code }).catch((reason: unknown) => reason));
        assert.deepEqual([error.code, error.message], [code, `it is ${code}`]);
      }
      const foreign = fromRpcError(await client.emit({ id: "" }).catch((reason: unknown) => reason));
      assert.equal(foreign.code, "internal");
      assert.ok(!foreign.message.includes(CANARY));
      assert.equal(await codeOf(client.nodes({})), "unimplemented");
    });
  });

  test(`${way.name}: only a good token opens the services`, async () => {
    await over(way, { secret: SECRET }, async (transport) => {
      const online = async (audience: string, secret = SECRET): Promise<string> => {
        const token = await createToken({ secret, audience });
        return await codeOf(createClient(Websocket, bearer(transport, () => token)).online({ id: "alice" }));
      };
      assert.equal(await codeOf(createClient(Websocket, transport).online({ id: "alice" })), "unauthenticated");
      assert.equal(await online(TOY_HOST), "ok");
      assert.equal(await online(TOY_HOST, "another"), "unauthenticated");
      assert.equal(await online("toy:2"), "unauthenticated");
      assert.equal(await online("cluster"), "permission_denied");
    });
  });

  test(`${way.name}: a message over the limit is resource_exhausted and the next call works`, async () => {
    await over(way, {}, async (transport) => {
      const client = createClient(Websocket, transport);
      assert.equal(await codeOf(client.broadcast({ data: new Uint8Array(2 * MAX_BYTES) })), "resource_exhausted");
      assert.equal((await client.broadcast({ data: new Uint8Array(7) })).count, 7n);
    });
  });

  test(`${way.name}: a deadline ends the call, here and there`, async () => {
    const log = new ToyLog();
    await over(way, { log }, async (transport) => {
      const client = createClient(Websocket, transport);
      assert.equal(await codeOf(client.emit({ id: "slow" }, { timeoutMs: 200 })), "deadline_exceeded");
      await until("the handler to hear of it", () => log.abandoned.length === 1);
    });
  });

  test(`${way.name}: a caller that gives up ends the call, here and there`, async () => {
    const log = new ToyLog();
    await over(way, { log }, async (transport) => {
      const controller = new AbortController();
      const call = createClient(Websocket, transport).emit({ id: "slow" }, { signal: controller.signal });
      const ended = call.catch((error: unknown) => fromRpcError(error, { signal: controller.signal }));
      await until("the call to arrive", () => log.emitted.length === 1);
      controller.abort();
      assert.equal((await ended as { code?: string }).code, "canceled");
      await until("the handler to hear of it", () => log.abandoned.length === 1);
    });
  });
}

for (const way of ways.filter(({ streams }) => streams)) {
  test(`${way.name}: a stream goes both ways at once`, async () => {
    await over(way, {}, async (transport) => {
      let answered: () => void = () => {};
      const batches = async function* (): AsyncGenerator<{ number: bigint }> {
        for (let number = 1n; number <= 20n; number++) {
          const answer = new Promise<void>((resolve) => (answered = resolve));
          yield { number };
          // The next leaves only when the last was answered: neither end may wait for the end of the other.
          await within(`the answer to ${number}`, answer);
        }
      };
      const numbers: bigint[] = [];
      for await (const { number } of createClient(Node, transport).link(batches())) {
        numbers.push(number);
        answered();
      }
      assert.deepEqual(numbers, Array.from({ length: 20 }, (_, index) => BigInt(index + 1)));
    });
  });

  test(`${way.name}: an answer over the limit rejects as unknown, for the call was made`, async () => {
    await over(way, {}, async (transport) => {
      assert.equal(await codeOf(createClient(Cluster, transport).members({ topic: "large" })), "unknown");
    });
  });

  test(`${way.name}: a message over the own limit is not sent`, async () => {
    await over(way, {}, async (transport) => {
      const call = createClient(Websocket, transport).broadcast({ data: new Uint8Array(6 * MAX_BYTES) });
      const error = fromRpcError(await call.catch((reason: unknown) => reason));
      assert.deepEqual([error.code, error.message], ["resource_exhausted", "the call is larger than the limit"]);
    });
  });
}

test("a transport whose long calls were cancelled, again and again, still makes a good one", async () => {
  const port = await openToy({ maxConcurrentStreams: 128, readMaxBytes: 1_000_000 });
  const transport = transportTo(port.host, { runtime, readMaxBytes: 10_000, writeMaxBytes: 1_000_000 });
  const broadcast = (bytes: number, signal?: AbortSignal): Promise<{ count: bigint }> =>
    createClient(Websocket, transport).broadcast({ data: new Uint8Array(bytes) }, signal && { signal });
  try {
    await broadcast(1_000);
    // Together more than the 10 MiB that Node lets a connection hold.
    for (let turn = 0; turn < 60; turn++) {
      const controller = new AbortController();
      const call = fateOf(broadcast(900_000, controller.signal), controller.signal);
      setTimeout(() => controller.abort(), 1);
      assert.ok(["canceled", "ok"].includes(await call));
    }
    assert.equal((await broadcast(1_000)).count, 1_000n);
  } finally {
    transport.close();
    await port.close();
  }
});

async function fateOf(call: Promise<unknown>, signal: AbortSignal): Promise<string> {
  return await call.then(() => "ok", (error: unknown) => fromRpcError(error, { signal }).code);
}
