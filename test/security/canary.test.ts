import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { bearerToken } from "../../src/door/auth.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import type { Logger } from "../../src/base/log/logger.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { createToken } from "../../src/rpc/token.ts";
import { TestClient } from "../kit/client.ts";
import { RawClient } from "../kit/raw.ts";
import { loadServe } from "../kit/servers.ts";

const CANARY = "canary-7f3a9c41d2";
const SECRET = "a secret of more than thirty-two bytes, and a canary-of-the-secret";

/** What is written, as a console would write it. */
class CapturedLog implements Logger {
  readonly lines: string[] = [];
  readonly #add = (...data: unknown[]): void =>
    void this.lines.push(data.map((each) => inspect(each, { depth: 9 })).join(" "));
  readonly debug: Logger["debug"] = this.#add;
  readonly info: Logger["info"] = this.#add;
  readonly warn: Logger["warn"] = this.#add;
  readonly error: Logger["error"] = this.#add;
}

/** Sessions that fail, or choose the token as their protocol, as the URL asks. */
function sessions(answers: unknown[]): SessionFactory {
  return (request) => {
    const mode = new URL(request.url).searchParams.get("mode");
    if (mode === "throw") throw new Error("the session failed");
    if (mode === "protocol") return { protocol: bearerToken(request) };
    return {
      onEvent(client, message) {
        if (mode === "handler") throw new Error("the handler failed");
        void client.emit(`${String(message)}${"x".repeat(1_000)}`).catch((error: unknown) => answers.push(error));
      },
    };
  };
}

/** Calls the RPC of a node with good and bad tokens; keeps what it answers. */
async function callRpc(host: string, answers: unknown[], logger: CapturedLog): Promise<void> {
  const audiences = { good: host, other: "10.0.0.1:1" };
  for (const audience of Object.values(audiences)) {
    const token = await createToken({ secret: SECRET, audience });
    const call = { headers: { authorization: `Bearer ${token}` } };
    const transport = createFetchTransport({
      baseUrl: `http://${host}`,
      readMaxBytes: 100_000,
      writeMaxBytes: 100_000,
    });
    answers.push(
      await createClient(Websocket, transport).emit({ id: CANARY, data: new Uint8Array(2_000) }, call).catch(String),
    );
    answers.push(await createClient(Cluster, transport).nodes({}, call).catch(String));
    answers.push(await createClient(Cluster, transport).emit({ id: "" }, call).catch(String));
    answers.push(
      await createClient(Cluster, transport).emit({ id: "a" }, { headers: { authorization: `Bearer ${CANARY}` } })
        .catch(String),
    );
    logger.lines.push(...logger.lines.filter((line) => line.includes(token)).map(() => CANARY));
  }
}

test("a token that a client sends stands in no log, no error and no answer of an RPC", async () => {
  const logger = new CapturedLog();
  const answers: unknown[] = [];
  const hub = new DistHub({ storage: new MemoryStorage(), secret: SECRET, logger, limits: { maxMessageBytes: 1_000 } });
  hub.on("sendfailed", ({ error }) => answers.push(error));
  const serve = await loadServe();
  const server = await serve(hub, {
    port: 0,
    hostname: "127.0.0.1",
    rpc: { hostname: "127.0.0.1" },
    session: sessions(answers),
  });
  try {
    const tokens = {
      authorization: `Bearer ${CANARY}`,
      cookie: `t=${CANARY}`,
      "sec-websocket-protocol": `meshsocket, meshsocket.bearer.${CANARY}`,
    };
    for (const mode of ["ok", "throw", "protocol"]) {
      const raw = await RawClient.connect(server.port);
      raw.handshake(`/ws?mode=${mode}&token=${CANARY}`, tokens);
      const { headers } = await raw.head();
      answers.push([...headers]);
      raw.socket.write("not a frame");
      await raw.ended();
      raw.socket.destroy();
    }
    for (
      const headers of [{ origin: "https://elsewhere.example" }, { "sec-websocket-version": "8" }, {
        "sec-websocket-key": CANARY,
      }]
    ) {
      const raw = await RawClient.connect(server.port);
      raw.handshake(`/ws?token=${CANARY}`, { ...tokens, ...headers });
      answers.push([...(await raw.head()).headers], await raw.body(1));
      raw.socket.destroy();
    }
    for (const mode of ["ok", "handler"]) {
      const client = await TestClient.open(`${server.url.replace("http", "ws")}/ws?mode=${mode}&token=${CANARY}`);
      client.send(CANARY);
      if (mode === "ok") client.send("x".repeat(2_000));
      answers.push(await client.closed());
    }
    await callRpc(server.rpc?.host ?? "", answers, logger);
  } finally {
    await server.close();
  }
  assert.ok(logger.lines.length > 0, "nothing was logged");
  for (const text of [...logger.lines, ...answers.map((answer) => inspect(answer, { depth: 9 }))]) {
    assert.ok(!text.includes(CANARY) && !text.includes("canary-of-the-secret"), text);
  }
});
