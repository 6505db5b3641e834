import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { errorCode, MeshError } from "../../src/base/error.ts";
import type { Logger } from "../../src/base/log/logger.ts";
import type { RpcOptions } from "../../src/hub/serve-options.ts";
import { MemoryNetwork } from "../../src/testing/memory-network.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { MemoryClient } from "../kit/memory-client.ts";
import { startRedis, type TestRedis } from "../kit/redis.ts";
import { loadListen } from "../kit/servers.ts";
import { until } from "../kit/until.ts";

/** The secret of the clusters of the table. */
export const SECRET = "a secret of more than thirty-two bytes";
export const OTHER_SECRET = "another secret of more than thirty-two bytes";
/** The lease of nodes whose renewals a row waits for. */
export const LEASE_MS = 600;

/** A node of a {@link Rig}, with what it logged. */
export interface RigNode {
  readonly hub: DistHub;
  readonly host: string;
  readonly lines: readonly string[];
  connect(id: string): Promise<MemoryClient>;
}

/** How a node of a {@link Rig} is started. */
export interface RigOptions {
  hub?: Partial<DistHubOptions>;
  rpc?: RpcOptions;
}

/** A cluster in which something is wrong on purpose, on real ports or in memory. */
export class Rig implements AsyncDisposable {
  storage: Storage = new MemoryStorage();
  /** `from to` of hosts in memory between which nothing arrives. */
  readonly blocked: Set<string> = new Set();
  readonly network: MemoryNetwork = new MemoryNetwork(true);
  readonly #closing: (() => Promise<unknown> | void)[] = [];

  /** A node on a port of its own. Rejects as its start does. */
  async node(options: RigOptions = {}): Promise<RigNode> {
    const { hub, lines } = this.hub(options.hub);
    const listen = await loadListen();
    const { host } = await listen(hub, { hostname: "127.0.0.1", ...options.rpc });
    return this.#made(hub, host, lines);
  }

  /** A node in memory with any address. Rejects as its start does. */
  async memoryNode(host: string, options: Partial<DistHubOptions> = {}): Promise<RigNode> {
    const { hub, lines } = this.hub(options);
    this.network.add(host, new DistServer(hub));
    await hub.join({
      host,
      transport: (to) => {
        if (!this.blocked.has(`${host} ${to}`)) return this.network.transport(host, to);
        throw new MeshError("unavailable", `${to} cannot be reached (EHOSTUNREACH)`);
      },
    });
    return this.#made(hub, host, lines);
  }

  /** Starts a node that must not start; returns the line that its start rejects with. */
  async refused(starting: Promise<unknown>, code = "failed_precondition"): Promise<string> {
    const error = await starting.then(() => undefined, (reason: unknown) => reason);
    assert.ok(error instanceof Error, "the node started");
    assert.equal(errorCode(error), code, error.message);
    return error.message;
  }

  /** A hub that has not joined, and what it logs. */
  hub(options: Partial<DistHubOptions> = {}): { hub: DistHub; lines: string[] } {
    const lines: string[] = [];
    const write = (text: unknown): void => void lines.push(String(text).replace(/^meshsocket: /, ""));
    const logger: Logger = { debug() {}, info() {}, warn: write, error: write };
    const { secret, ...others } = { secret: SECRET, ...options };
    const hub = new DistHub({ storage: this.storage, ...(secret !== undefined && { secret }), logger, ...others });
    this.#closing.push(() => hub.close());
    return { hub, lines };
  }

  /** An HTTP server that is no node, and answers every request so. */
  async web(status = 404, body = "<html>Not found</html>"): Promise<string> {
    const server: Server = createServer((request, response) => {
      request.resume();
      response.writeHead(status, { "content-type": "text/html" }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    this.#closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Runs at the end, the last first. */
  atEnd(close: () => Promise<unknown> | void): void {
    this.#closing.push(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
  }

  #made(hub: DistHub, host: string, lines: string[]): RigNode {
    return { hub, host, lines, connect: (id) => MemoryClient.open(hub, { id }) };
  }
}

/** The line that a node logs, once it has. */
export async function logged({ lines }: Pick<RigNode, "lines">, part: string | RegExp): Promise<string> {
  const find = (): string | undefined =>
    lines.find((line) => (typeof part === "string" ? line.includes(part) : part.test(line)));
  await until(`a line with ${String(part)} among ${JSON.stringify(lines)}`, () => find() !== undefined);
  return find() ?? "";
}

/** Fails unless the cluster of these nodes works: each reaches the clients of all. */
export async function works(nodes: readonly RigNode[]): Promise<void> {
  for (const [index, node] of nodes.entries()) {
    const id = `works-${index}-${node.host}`;
    const client = await node.connect(id);
    for (const { hub } of nodes) assert.equal(await hub.emit(id, "hi"), true);
    await client.take(nodes.length);
  }
  for (const { hub } of nodes) {
    assert.equal(hub.status, "ready");
    assert.deepEqual((await hub.broadcast("to all")).unreachable, []);
  }
}

/** Fails unless a call rejects because the host cannot be reached, and names it. */
export async function unreachable(call: Promise<unknown>, host: string): Promise<void> {
  await assert.rejects(call, (error: MeshError) => {
    assert.notEqual(error.code, "internal");
    assert.ok(error.message.includes(host), error.message);
    return true;
  });
}

/** A real Redis for the nodes that are started from now on. */
export async function useRedis(rig: Rig): Promise<TestRedis> {
  const redis = await startRedis();
  const storage = new RedisStorage(`redis://127.0.0.1:${redis.port}`, "wrong");
  rig.storage = storage;
  // At the end: after the nodes.
  rig.atEnd(() => redis.stop());
  rig.atEnd(() => storage.close());
  return redis;
}
