import assert from "node:assert/strict";
import http from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { transportTo } from "../../adapters/rpc/transport.ts";
import type { MeshError } from "../../src/base/error.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import { Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import { fromRpcError } from "../../src/rpc/error.ts";
import { startPeer } from "../kit/rpc-peer.ts";
import { runtime } from "../kit/runtime.ts";
import { MAX_BYTES, openToy, ToyLog } from "../kit/toy-rpc.ts";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";

const limits = { readMaxBytes: MAX_BYTES, writeMaxBytes: MAX_BYTES };

interface Dialled {
  readonly transport: Transport;
  close(): void;
}

const ways: Readonly<Record<string, (host: string) => Dialled>> = {
  "transportTo": (host) => {
    const transport = transportTo(host, { runtime, ...limits, pingIntervalMs: 200, pingTimeoutMs: 200 });
    return { transport, close: () => transport.close() };
  },
  "fetch": (host) => ({ transport: createFetchTransport({ baseUrl: `http://${host}`, ...limits }), close: () => {} }),
};

async function failure(call: Promise<unknown>, signal?: AbortSignal): Promise<MeshError> {
  const error = await within(
    "the end of the call",
    call.then(() => new Error("the call succeeded"), (reason: unknown) => fromRpcError(reason, { signal })),
  );
  return error as MeshError;
}

/** A server on loopback that speaks no HTTP. */
async function rude(onSocket: (socket: Socket) => void): Promise<{ host: string; close(): void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { host: `127.0.0.1:${(server.address() as { port: number }).port}`, close };
}

for (const [name, dial] of Object.entries(ways)) {
  const emit = async (dialled: Dialled, id: string, timeoutMs?: number): Promise<unknown> => {
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    return await createClient(Websocket, dialled.transport).emit({ id }, options);
  };

  test(`${name}: a call to a port that refuses was never sent`, async () => {
    const port = await openToy();
    await port.close();
    const dialled = dial(port.host);
    assert.equal((await failure(emit(dialled, "alice"))).code, "unavailable");
    dialled.close();
  });

  test(`${name}: a call to a name that does not resolve was never sent`, async () => {
    const dialled = dial("no.such.host.invalid:8081");
    assert.equal((await failure(emit(dialled, "alice"))).code, "unavailable");
    dialled.close();
  });

  test(`${name}: the fate of a call is unknown when its node is killed`, async () => {
    const peer = await startPeer();
    const dialled = dial(peer.host);
    try {
      await emit(dialled, "alice");
      const call = failure(emit(dialled, "slow"));
      await peer.arrived("slow");
      await peer.kill();
      assert.equal((await call).code, "unknown");
      assert.equal((await failure(emit(dialled, "alice"))).code, "unavailable");
    } finally {
      dialled.close();
      await peer.kill();
    }
  });

  test(`${name}: the fate of a stream is unknown when its node is killed`, async () => {
    const peer = await startPeer();
    const dialled = dial(peer.host);
    let end: () => void = () => {};
    try {
      const batches = async function* (): AsyncGenerator<{ number: bigint }> {
        yield { number: 1n };
        await new Promise<void>((resolve) => (end = resolve));
      };
      const read = async (): Promise<void> => {
        for await (const { number } of createClient(Node, dialled.transport).link(batches())) {
          assert.equal(number, 1n);
          await peer.kill();
        }
      };
      assert.equal((await failure(read())).code, "unknown");
    } finally {
      end();
      dialled.close();
      await peer.kill();
    }
  });

  test(`${name}: a call to a paused node ends with its deadline`, async () => {
    const peer = await startPeer();
    const dialled = dial(peer.host);
    try {
      await emit(dialled, "alice");
      peer.signal("SIGSTOP");
      assert.equal((await failure(emit(dialled, "alice", 150))).code, "deadline_exceeded");
    } finally {
      dialled.close();
      await peer.kill();
    }
  });

  test(`${name}: the fate of a call is unknown when the line is cut in the middle of it`, async () => {
    const server = await rude((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const dialled = dial(server.host);
    assert.notEqual((await failure(emit(dialled, "alice"))).code, "unavailable");
    dialled.close();
    server.close();
  });

  test(`${name}: a call whose line breaks is not sent again behind the caller's back`, async () => {
    const log = new ToyLog();
    const port = await openToy({ log });
    const sockets: Socket[] = [];
    const proxy = await rude((socket) => {
      sockets.push(socket);
      const onward = connect(Number(port.host.split(":")[1]), "127.0.0.1");
      onward.on("error", () => {});
      socket.pipe(onward).pipe(socket);
      socket.on("close", () => onward.destroy());
    });
    const dialled = dial(proxy.host);
    try {
      await emit(dialled, "alice");
      const call = failure(emit(dialled, "slow"));
      await until("the call to arrive", () => log.emitted.includes("slow"));
      for (const socket of sockets) socket.destroy();
      assert.equal((await call).code, "unknown");
      await until("the handler to hear of it", () => log.abandoned.length === 1);
      await emit(dialled, "alice");
      assert.deepEqual(log.emitted, ["alice", "slow", "alice"]);
    } finally {
      dialled.close();
      proxy.close();
      await port.close();
    }
  });

  test(`${name}: an address where something else answers is no node, and harms no one`, async () => {
    const server = await rude((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"))
    );
    const dialled = dial(server.host);
    const { code } = await failure(emit(dialled, "alice"));
    assert.ok(code === "unimplemented" || code === "unknown", code);
    dialled.close();
    server.close();
  });

  test(`${name}: a redirect is not followed`, async () => {
    let asked = 0;
    const target = await rude(() => asked++);
    const answer = `HTTP/1.1 307 Moved\r\nlocation: http://${target.host}/\r\ncontent-length: 0\r\n\r\n`;
    const server = await rude((socket) => socket.once("data", () => socket.end(answer)));
    const dialled = dial(server.host);
    assert.notEqual((await failure(emit(dialled, "alice"))).code, "unavailable");
    assert.equal(asked, 0);
    dialled.close();
    server.close();
    target.close();
  });

  test(`${name}: an aborted call is canceled, and one aborted by a timeout is past its deadline`, async () => {
    const log = new ToyLog();
    const port = await openToy({ log });
    const dialled = dial(port.host);
    try {
      const slow = async (signal: AbortSignal): Promise<unknown> =>
        await createClient(Websocket, dialled.transport).emit({ id: "slow" }, { signal });
      const controller = new AbortController();
      const canceled = failure(slow(controller.signal), controller.signal);
      await until("the call to arrive", () => log.emitted.length === 1);
      controller.abort();
      assert.equal((await canceled).code, "canceled");
      const timeout = AbortSignal.timeout(100);
      assert.equal((await failure(slow(timeout), timeout)).code, "deadline_exceeded");
    } finally {
      dialled.close();
      await port.close();
    }
  });
}

test("a closed transport ends its calls and sends no more", async () => {
  const log = new ToyLog();
  const port = await openToy({ log });
  const transport = transportTo(port.host, { runtime, ...limits });
  try {
    const client = createClient(Websocket, transport);
    const call = failure(client.emit({ id: "slow" }));
    await until("the call to arrive", () => log.emitted.length === 1);
    transport.close();
    transport.close();
    assert.notEqual((await call).code, "unavailable", "it had been sent");
    await until("the handler to hear of it", () => log.abandoned.length === 1);
    assert.equal((await failure(client.emit({ id: "alice" }))).code, "unavailable");
    assert.deepEqual(log.emitted, ["slow"]);
  } finally {
    await port.close();
  }
});

test("a transport dials again after its node came back on the same port", async () => {
  const first = await openToy();
  const transport = transportTo(first.host, { runtime, ...limits });
  try {
    const client = createClient(Websocket, transport);
    assert.equal((await client.emit({ id: "alice" })).success, true);
    await first.close();
    // A connection that was kept may be found closed only when the call is on its way.
    assert.match((await failure(client.emit({ id: "alice" }))).code, /^(?:unavailable|unknown)$/);
    assert.equal((await failure(client.emit({ id: "alice" }))).code, "unavailable");
    const second = await openToy({ port: first.port });
    try {
      assert.equal((await client.emit({ id: "alice" })).success, true);
    } finally {
      await second.close();
    }
  } finally {
    transport.close();
  }
});

test("a host that is none is refused before anything is dialled", () => {
  for (const host of ["http://127.0.0.1:80", "127.0.0.1", "user@host:80", ""]) {
    assert.throws(() => transportTo(host, { runtime, ...limits }), { name: "TypeError", code: "invalid_argument" });
  }
});

test("a gateway that refuses a call with a JSON of its own is told from a node, and the error has a text", async () => {
  const refusals = { 401: "unauthenticated", 403: "unimplemented", 429: "unknown", 502: "unknown" } as const;
  for (const [status, code] of Object.entries(refusals)) {
    const server = http.createServer((_request, response) => {
      response.writeHead(Number(status), { "content-type": "application/json" }).end('{"error":"no"}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    try {
      const transport = createFetchTransport({ baseUrl: `http://127.0.0.1:${port}`, ...limits });
      const error = await failure(createClient(Websocket, transport).emit({ id: "alice" }));
      assert.equal(error.code, code, status);
      assert.match(error.message, /gateway/, status);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
});
