import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { DistServer } from "../../src/distributed/dist-server.ts";
import { MeshError } from "../../src/base/error.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { Session } from "../../src/client/session.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { MemoryClient } from "./memory-client.ts";
import { within } from "./wait.ts";

/** One node of a {@link MemoryCluster}. */
export interface MemoryNode {
  readonly host: string;
  readonly hub: DistHub;
  /** Connects a client; resolves after `onConnect`. */
  connect(id?: string, session?: Session): Promise<MemoryClient>;
}

/** A cluster in this process: no ports, no sockets, and faults where a test wants them. */
export class MemoryCluster implements AsyncDisposable {
  readonly storage: Storage;
  readonly nodes: MemoryNode[] = [];
  /** RPCs by `host method`, as they were made. */
  readonly calls: string[] = [];
  /** Hosts that refuse every new call. */
  readonly down: Set<string> = new Set();
  /** Hosts that reach neither the storage nor each other. */
  readonly silenced: Set<string> = new Set();
  /** Nobody reaches the storage. */
  storageDown = false;
  readonly #servers = new Map<string, Transport>();
  #breakers = new Map<string, Set<AbortController>>();
  readonly #paused = new Map<string, Promise<void>>();

  constructor(storage: Storage = new MemoryStorage()) {
    this.storage = storage;
  }

  async start(options: Partial<DistHubOptions> = {}): Promise<MemoryNode> {
    const host = `node-${this.nodes.length + 1}:1`;
    const hub = new DistHub({ storage: this.#storageOf(host), logger: silentLogger, ...options });
    const server = new DistServer(hub);
    this.#servers.set(host, createRouterTransport(server.routes));
    await hub.join({ host, transport: (to) => this.#transport(host, to) });
    const node: MemoryNode = { host, hub, connect: (id, session) => connect(hub, id, session) };
    this.nodes.push(node);
    return node;
  }

  /** As `kill -9`: the host answers nothing any more, and says no farewell. */
  async kill(host: string): Promise<void> {
    this.down.add(host);
    this.cut(host);
    const dead = this.nodes.find((node) => node.host === host);
    this.silenced.add(host);
    await dead?.hub.close();
  }

  /** Cuts every stream to a host; new ones can be opened. */
  cut(host: string): void {
    for (const breaker of this.#breakers.get(host) ?? []) breaker.abort();
    this.#breakers.delete(host);
  }

  /** From now on a host's answers do not come; returns what lets them come again. */
  pause(host: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#paused.set(host, promise);
    return () => {
      this.#paused.delete(host);
      resolve();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(({ hub }) => hub.close()));
  }

  /** The storage as one host reaches it. */
  #storageOf(host: string): Storage {
    return new Proxy(this.storage, {
      get: (storage, name) => {
        const member: unknown = Reflect.get(storage, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          if (this.storageDown || this.silenced.has(host)) {
            return Promise.reject(new MeshError("unavailable", "the storage is not reached"));
          }
          return Reflect.apply(member, storage, args);
        };
      },
    });
  }

  #transport(from: string, host: string): Transport {
    const begin = (method: string): Transport => {
      this.calls.push(`${host} ${method}`);
      const server = this.#servers.get(host);
      if (server && !this.down.has(host) && !this.silenced.has(from)) return server;
      throw new MeshError("unavailable", "that node is down");
    };
    return {
      unary: async (method, signal, timeoutMs, header, input, contextValues) =>
        await this.#unpaused(host, begin(method.name).unary(method, signal, timeoutMs, header, input, contextValues)),
      stream: async (method, signal, timeoutMs, header, input, contextValues) => {
        const breaker = new AbortController();
        const breakers = this.#breakers.get(host) ?? new Set();
        this.#breakers.set(host, breakers.add(breaker));
        const both = signal ? AbortSignal.any([signal, breaker.signal]) : breaker.signal;
        const answer = await begin(method.name).stream(method, both, timeoutMs, header, input, contextValues);
        return { ...answer, message: this.#unpausedAll(host, answer.message) };
      },
    };
  }

  async #unpaused<Value>(host: string, answer: Promise<Value>): Promise<Value> {
    const value = await answer;
    await this.#paused.get(host);
    return value;
  }

  async *#unpausedAll<Value>(host: string, answers: AsyncIterable<Value>): AsyncIterable<Value> {
    for await (const answer of answers) {
      await this.#paused.get(host);
      yield answer;
    }
  }
}

async function connect(hub: DistHub, id: string | undefined, session: Session = {}): Promise<MemoryClient> {
  const connected = Promise.withResolvers<void>();
  const client = await MemoryClient.open(hub, {
    id,
    ...session,
    async onConnect(connecting) {
      await session.onConnect?.(connecting);
      connected.resolve();
    },
  });
  const closed = client.untilClosed.then(({ code }) => {
    throw new Error(`closed with ${code} before onConnect`);
  });
  closed.catch(() => {});
  await Promise.race([within("onConnect", connected.promise), closed]);
  return client;
}

/** Three nodes, A, B and C. */
export async function threeNodes(
  cluster: MemoryCluster,
  options: Partial<DistHubOptions> = {},
): Promise<readonly [MemoryNode, MemoryNode, MemoryNode]> {
  return [await cluster.start(options), await cluster.start(options), await cluster.start(options)];
}
