import { createRouterTransport } from "@connectrpc/connect";
import { DistHub, type DistHubOptions } from "../../src/dist-hub.ts";
import { DistServer } from "../../src/dist-server.ts";
import { MeshError } from "../../src/error.ts";
import type { NodeTransport } from "../../src/links.ts";
import { silentLogger } from "../../src/logger.ts";
import { MemoryWebSocket } from "../../src/memory-pair.ts";
import type { Session } from "../../src/session.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { WhatwgSocket } from "../../src/whatwg-socket.ts";
import { Events, within } from "./wait.ts";

/** A client of a {@link MemoryNode}, from the browser's side. */
export class MemoryClient {
  readonly socket: MemoryWebSocket;
  readonly #messages = new Events<string | Uint8Array>("a message for the client");
  /** Settles when the connection ends, however long that takes. */
  readonly untilClosed: Promise<{ code: number; reason: string }>;

  constructor(socket: MemoryWebSocket) {
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      const { data } = event as MessageEvent<string | ArrayBuffer>;
      this.#messages.add(typeof data === "string" ? data : new Uint8Array(data));
    });
    this.untilClosed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => resolve(event as CloseEvent));
    });
  }

  next(): Promise<string | Uint8Array> {
    return this.#messages.next();
  }

  async take(count: number): Promise<(string | Uint8Array)[]> {
    const messages: (string | Uint8Array)[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  get waiting(): readonly (string | Uint8Array)[] {
    return this.#messages.waiting;
  }

  closed(): Promise<{ code: number; reason: string }> {
    return within("the close event", this.untilClosed);
  }
}

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
  readonly #servers = new Map<string, NodeTransport>();
  #breakers = new Map<string, Set<AbortController>>();

  constructor(storage: Storage = new MemoryStorage()) {
    this.storage = storage;
  }

  async start(options: Partial<DistHubOptions> = {}): Promise<MemoryNode> {
    const host = `node-${this.nodes.length + 1}:1`;
    const hub = new DistHub({ storage: this.storage, logger: silentLogger, ...options });
    const server = new DistServer(hub);
    this.#servers.set(host, createRouterTransport(server.routes));
    await hub.join({ host, transport: (to) => this.#transport(to) });
    const node: MemoryNode = { host, hub, connect: (id, session) => connect(hub, id, session) };
    this.nodes.push(node);
    return node;
  }

  /** Cuts every stream to a host; new ones can be opened. */
  cut(host: string): void {
    for (const breaker of this.#breakers.get(host) ?? []) breaker.abort();
    this.#breakers.delete(host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(({ hub }) => hub.close()));
  }

  #transport(host: string): NodeTransport {
    const begin = (method: string): NodeTransport => {
      this.calls.push(`${host} ${method}`);
      const server = this.#servers.get(host);
      if (server && !this.down.has(host)) return server;
      throw new MeshError("unavailable", "that node is down");
    };
    return {
      unary: async (method, signal, timeoutMs, header, input, contextValues) =>
        await begin(method.name).unary(method, signal, timeoutMs, header, input, contextValues),
      stream: async (method, signal, timeoutMs, header, input, contextValues) => {
        const breaker = new AbortController();
        const breakers = this.#breakers.get(host) ?? new Set();
        this.#breakers.set(host, breakers.add(breaker));
        const both = signal ? AbortSignal.any([signal, breaker.signal]) : breaker.signal;
        return await begin(method.name).stream(method, both, timeoutMs, header, input, contextValues);
      },
    };
  }
}

async function connect(hub: DistHub, id: string | undefined, session: Session = {}): Promise<MemoryClient> {
  const request = new Request("http://localhost/", {
    headers: {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  });
  const connected = Promise.withResolvers<void>();
  const admission = await hub.admit(
    request,
    () => ({
      id,
      ...session,
      async onConnect(client) {
        await session.onConnect?.(client);
        connected.resolve();
      },
    }),
    { remoteAddress: "" },
  );
  if (admission instanceof Response) throw new Error(`refused with ${admission.status}: ${await admission.text()}`);
  const [server, browser] = MemoryWebSocket.pair();
  const client = new MemoryClient(browser);
  new WhatwgSocket(server, hub.limits.maxMessageBytes).open(admission);
  const closed = client.untilClosed.then(({ code }) => {
    throw new Error(`closed with ${code} before onConnect`);
  });
  closed.catch(() => {});
  await Promise.race([within("onConnect", connected.promise), closed]);
  return client;
}

/** Three nodes, A, B and C. */
export async function threeNodes(cluster: MemoryCluster): Promise<readonly [MemoryNode, MemoryNode, MemoryNode]> {
  return [await cluster.start(), await cluster.start(), await cluster.start()];
}
