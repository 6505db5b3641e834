import { checkObject, checkOptions, oneOf } from "../base/check/check.ts";
import { MeshError } from "../base/error.ts";
import { silentLogger } from "../base/log/logger.ts";
import type { Session, SessionFactory } from "../client/session.ts";
import { DistHub } from "../distributed/dist-hub.ts";
import type { DistHubOptions } from "../distributed/dist-hub-options.ts";
import { DistServer } from "../distributed/dist-server.ts";
import { MemoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { within } from "./events.ts";
import { MemoryClient, type MemoryClientOptions } from "./memory-client.ts";
import { MemoryNetwork } from "./memory-network.ts";

/**
 * A cluster in this process: no ports and no sockets, and faults where a test wants them.
 *
 * Between the nodes run the lines of production, over streams of bytes in memory; other calls go straight to the
 * other node's services. Closing the cluster (`await using`) closes all its hubs.
 */
export class MemoryCluster implements AsyncDisposable {
  /** Shared by all nodes. */
  readonly storage: Storage;
  readonly nodes: MemoryNode[] = [];
  /** While true no node reaches the storage. */
  storageDown = false;
  readonly #network: MemoryNetwork;

  constructor(options: MemoryClusterOptions = {}) {
    checkOptions<MemoryClusterOptions>("options", options, { storage: checkObject, lines: oneOf("packed", "calls") });
    const { storage = new MemoryStorage(), lines = "packed" } = options;
    this.storage = storage;
    this.#network = new MemoryNetwork(lines === "packed");
  }

  /** Starts one more node and joins it. */
  async start(options: Partial<DistHubOptions> = {}): Promise<MemoryNode> {
    const host = `node-${this.nodes.length + 1}:1`;
    const hub = new DistHub({ storage: this.#storageOf(host), logger: silentLogger, ...options });
    this.#network.add(host, new DistServer(hub));
    await hub.join({ host, transport: (to) => this.#network.transport(host, to) });
    const node: MemoryNode = { host, hub, connect: (id, session, request) => connect(hub, id, session, request) };
    this.nodes.push(node);
    return node;
  }

  /** RPCs by `host method`, as they were made; `host Line` for a line that was dialled. */
  get calls(): string[] {
    return this.#network.calls;
  }

  /** Hosts that refuse every new call; what is open stays open. */
  get down(): Set<string> {
    return this.#network.down;
  }

  /** Hosts that reach neither the storage nor, with new calls, each other. */
  get silenced(): Set<string> {
    return this.#network.silenced;
  }

  /** As `kill -9`: from now on the host is silent, and says no farewell. */
  async kill(host: string): Promise<void> {
    this.down.add(host);
    this.cut(host);
    const dead = this.nodes.find((node) => node.host === host);
    this.silenced.add(host);
    await dead?.hub.close();
  }

  /** Cuts every line to a host; new ones can be opened. */
  cut(host: string): void {
    this.#network.cut(host);
  }

  /** Holds back the answers of a host; returns a function that lets them come. */
  pause(host: string): () => void {
    return this.#network.pause(host);
  }

  /** Makes everything to and from a host take this many milliseconds longer, each way. 0 ends it. */
  delay(host: string, ms: number): void {
    this.#network.delay(host, ms);
  }

  /**
   * Loses everything to and from a host, as a pulled cable does: nothing arrives and nothing is reported. Returns a
   * function that ends it; lines that lost bytes are then cut.
   */
  lose(host: string): () => void {
    return this.#network.lose(host);
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
            return Promise.reject(new MeshError("unavailable", "could not reach the storage: it is down"));
          }
          return Reflect.apply(member, storage, args);
        };
      },
    });
  }
}

/** How a {@link MemoryCluster} is made. */
export interface MemoryClusterOptions {
  /** Default: a new MemoryStorage. */
  storage?: Storage;
  /**
   * The carrier of batches between nodes: `"packed"` (default) the lines that nodes dial, `"calls"` the fallback for
   * networks that let no upgrade through.
   */
  lines?: "packed" | "calls";
}

/** One node of a {@link MemoryCluster}. */
export interface MemoryNode {
  readonly host: string;
  readonly hub: DistHub;
  /** Connects a client, with a session of its own or through your session factory; resolves after `onConnect`. */
  connect(id?: string, session?: Session | SessionFactory, request?: MemoryClientOptions): Promise<MemoryClient>;
}

async function connect(
  hub: DistHub,
  id: string | undefined,
  session: Session | SessionFactory = {},
  request?: MemoryClientOptions,
): Promise<MemoryClient> {
  const connected = Promise.withResolvers<void>();
  const watched = (decided: Session): Session => ({
    ...(id !== undefined && { id }),
    ...decided,
    async onConnect(client) {
      await decided.onConnect?.(client);
      connected.resolve();
    },
  });
  const decide: SessionFactory = async (upgrade, info) => {
    const decided = typeof session === "function" ? await session(upgrade, info) : session;
    return decided instanceof Response || "refuse" in decided ? decided : watched(decided);
  };
  const factory = typeof session === "function" ? decide : () => watched(session);
  const client = await MemoryClient.connect(hub, factory, {
    ...(typeof session === "object" && { protocol: session.protocol }),
    ...request,
  });
  const closed = client.untilClosed.then(({ code }) => {
    throw new Error(`closed with ${code} before onConnect`);
  });
  closed.catch(() => {});
  await Promise.race([within("onConnect", connected.promise), closed]);
  return client;
}
