/** The line between two nodes behind proxies that let no upgrade through, and to a node with smaller limits. */
import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { silentLogger } from "../../src/base/log/logger.ts";
import type { Limits } from "../../src/base/limits.ts";
import { DistClient } from "../../src/distributed/dist-client.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { freePort } from "../kit/free-port.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { loadListen } from "../kit/servers.ts";
import { withCode } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

const SECRET = "a secret of more than thirty-two bytes, for lines";

/** Answers connections that begin with a GET by itself, and hands all others on. */
class Front implements AsyncDisposable {
  readonly host: string;
  /** How many upgrades were asked for. */
  asked = 0;
  target = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, answer: string) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (near: Socket) => {
      this.#keep(near);
      near.once("data", (first: Buffer) => {
        if (first.toString("latin1", 0, 4) === "GET ") {
          this.asked++;
          if (answer === "") near.destroy();
          else near.end(answer, "latin1");
          return;
        }
        const far = connect(this.target, "127.0.0.1");
        this.#keep(far);
        far.write(first);
        near.pipe(far).pipe(near);
        near.once("close", () => far.destroy());
        far.once("close", () => near.destroy());
      });
    });
  }

  static async open(answer: string): Promise<Front> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Front(server, answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** A node; with a front the others reach it through that. */
async function startNode(storage: MemoryStorage, front?: Front, limits: Partial<Limits> = {}): Promise<DistHub> {
  const hub = new DistHub({ storage, secret: SECRET, logger: silentLogger, limits });
  const listen = await loadListen();
  // A node dials its own address when it joins.
  const port = front ? (front.target = await freePort()) : 0;
  await listen(hub, { hostname: "127.0.0.1", port, ...(front && { advertise: front.host }) });
  return hub;
}

const EMPTY = "Content-Length: 0\r\n\r\n";

/** What stands before a node and lets no upgrade through. */
const MANNERS: Readonly<Record<string, string>> = {
  "answers 404": `HTTP/1.1 404 Not Found\r\n${EMPTY}`,
  "answers 403 to an upgrade that it does not know, as Envoy and Istio do": `HTTP/1.1 403 Forbidden\r\n${EMPTY}`,
  "answers 401": `HTTP/1.1 401 Unauthorized\r\n${EMPTY}`,
  "answers 503": `HTTP/1.1 503 Service Unavailable\r\n${EMPTY}`,
  "answers 505": `HTTP/1.1 505 HTTP Version Not Supported\r\n${EMPTY}`,
  "closes the connection, as an HTTP/2 listener of HAProxy does": "",
  "answers in HTTP/2": "\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
};

for (const [manner, answer] of Object.entries(MANNERS)) {
  test(`nodes reach each other although what is before them ${manner}`, async () => {
    await using front = await Front.open(answer);
    const storage = new MemoryStorage();
    const [a, b] = [await startNode(storage), await startNode(storage, front)];
    try {
      await until("both to know each other", () => a.nodes().length === 2);
      const alice = await MemoryClient.open(b, { id: "alice" });
      const sends = Array.from({ length: 50 }, (_, index) => a.emit("alice", String(index)));
      assert.deepEqual(new Set(await Promise.all(sends)), new Set([true]));
      for (let index = 0; index < 50; index++) assert.equal(await alice.next(), String(index));
      assert.equal(front.asked, 1);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });
}

const BIG: Partial<Limits> = { maxMessageBytes: 6_000_000, maxBufferedBytes: 20_000_000 };

for (const way of ["a packed line", "the Link call", "single calls"] as const) {
  test(`one message that is too long for the other node alone is refused at once by ${way}, and the others arrive`, async () => {
    await using front = await Front.open(MANNERS["answers 404"] ?? "");
    const storage = new MemoryStorage();
    const owner = await startNode(storage, way === "the Link call" ? front : undefined);
    const sender = way === "single calls"
      ? new DistClient({ storage, secret: SECRET, logger: silentLogger, limits: BIG })
      : await startNode(storage, undefined, BIG);
    try {
      const alice = await MemoryClient.open(owner, { id: "alice" });
      assert.equal(await sender.emit("alice", "before"), true);
      const startedAtMs = performance.now();
      const long = sender.emit("alice", "x".repeat(4_000_000));
      const others = Array.from({ length: 20 }, (_, index) => sender.emit("alice", String(index)));
      await assert.rejects(long, withCode("resource_exhausted"));
      assert.deepEqual(new Set(await Promise.all(others)), new Set([true]));
      assert.ok(performance.now() - startedAtMs < 1_500, "the line was blocked");
      assert.equal(await alice.next(), "before");
      for (let index = 0; index < 20; index++) assert.equal(await alice.next(), String(index));
    } finally {
      await sender.close();
      await owner.close();
    }
  });
}
