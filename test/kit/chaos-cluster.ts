import { type ChaosStore, startStore, type StoreName } from "./chaos-store.ts";
import { freePort } from "./free-port.ts";
import { NODE_RUNTIMES, type NodeOptions, NodeProcess } from "./node-process.ts";
import { SECRET } from "./process-cluster.ts";
import type { Runtime } from "./runtime.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { until } from "./until.ts";

/** The place of one node: its address stays, whatever becomes of the process. */
export interface Seat {
  readonly runtime: Runtime;
  /** Before its RPC port: the address that the others know. */
  readonly rpc: TcpProxy;
  /** Before the storage, on this node's way to it alone. */
  readonly storage: TcpProxy;
  node: NodeProcess;
}

/** How a {@link ChaosCluster} is made. */
export interface ChaosOptions extends Partial<Omit<NodeOptions, "runtime" | "storage" | "rpc">> {
  readonly store: StoreName | ChaosStore;
  /** One node for each. Default: one on each runtime. */
  readonly runtimes?: readonly Runtime[];
}

/** How often a node is started that cannot start. */
const STARTS = 5;

/** The lease of the nodes of a {@link ChaosCluster}, unless it is told otherwise, in ms. */
export const LEASE_MS = 2_000;

/** A cluster of processes of mixed runtimes over a real storage, with a proxy before every node and every way to the storage. */
export class ChaosCluster implements AsyncDisposable {
  readonly store: ChaosStore;
  readonly seats: Seat[] = [];
  /** Errors that nobody caught, of every process that ever sat here. */
  readonly problems: string[] = [];
  readonly #options: Omit<NodeOptions, "runtime" | "storage">;
  readonly #starts = new Map<Seat, () => Promise<NodeProcess>>();

  private constructor(store: ChaosStore, options: Omit<NodeOptions, "runtime" | "storage">) {
    this.store = store;
    this.#options = options;
  }

  static async start({ store, runtimes = NODE_RUNTIMES, ...options }: ChaosOptions): Promise<ChaosCluster> {
    const opened = typeof store === "string" ? await startStore(store) : store;
    const cluster = new ChaosCluster(opened, { secret: SECRET, leaseMs: LEASE_MS, ...options });
    try {
      const added = await Promise.allSettled(runtimes.map((runtime) => cluster.#add(runtime)));
      for (const one of added) if (one.status === "fulfilled") cluster.seats.push(one.value);
      for (const one of added) if (one.status === "rejected") throw one.reason;
      await cluster.acquainted();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The seat at an index, in the order of the runtimes. */
  seat(index: number): Seat {
    const seat = this.seats[index % this.seats.length];
    if (!seat) throw new Error("the cluster has no node");
    return seat;
  }

  /** The first node on a runtime. */
  on(runtime: Runtime): Seat {
    const seat = this.seats.find((one) => one.runtime === runtime);
    if (!seat) throw new Error(`no node runs on ${runtime}`);
    return seat;
  }

  /** The seats but these. */
  others(...seats: readonly Seat[]): Seat[] {
    return this.seats.filter((seat) => !seats.includes(seat));
  }

  /** SIGKILL; nobody answers at its address any more. */
  async kill({ node, rpc }: Seat): Promise<void> {
    rpc.shut();
    await node.kill();
    rpc.cut();
  }

  /** Closes the node in order, its clients in slices, and starts a new process on the seat. */
  async drain(seat: Seat, drainMs: number): Promise<void> {
    await seat.node.close(drainMs);
    await this.restart(seat);
  }

  /** Starts a new process on the seat, at the same address. */
  async restart(seat: Seat): Promise<void> {
    await this.kill(seat);
    this.problems.push(...seat.node.problems);
    seat.rpc.detach();
    await seat.rpc.listenAgain();
    const start = this.#starts.get(seat) ?? (() => Promise.reject(new Error("an unknown seat")));
    seat.node = await startAtLast(start);
  }

  /** Resolves once each node of these seats knows exactly the others. */
  async acquainted(seats: readonly Seat[] = this.seats): Promise<void> {
    const wanted = seats.map(({ node }) => node.host).toSorted().join();
    for (const { node } of seats) {
      await until(`the ${node.runtime} node to know exactly the others`, async () => {
        return (await node.status()).nodes.toSorted().join() === wanted;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.resume();
    await Promise.all(this.seats.map(({ node }) => node.kill()));
    for (const { rpc, storage } of this.seats) await Promise.all([rpc.close(), storage.close()]);
    await this.store.stop();
    for (const { node } of this.seats) this.problems.push(...node.problems);
    if (this.problems.length > 0) throw new Error(`nodes had problems: ${this.problems.join("; ")}`);
  }

  async #add(runtime: Runtime): Promise<Seat> {
    const { setup, proxy: storage } = await this.store.open();
    const rpc = await TcpProxy.open();
    const start = async (): Promise<NodeProcess> => {
      // Before it starts: a node dials its own address when it joins.
      const port = await freePort();
      rpc.target(port);
      return await NodeProcess.start({
        ...this.#options,
        runtime,
        storage: setup,
        rpc: { hostname: "127.0.0.1", port, advertise: rpc.host },
      });
    };
    try {
      const node = await startAtLast(start);
      const seat: Seat = { runtime, rpc, storage, node };
      this.#starts.set(seat, start);
      return seat;
    } catch (error) {
      await Promise.all([rpc.close(), storage.close()]);
      throw error;
    }
  }
}

/** As a supervisor does: on a busy machine the storage or the node's own address may not answer in time, least of all when clients come back. */
async function startAtLast(start: () => Promise<NodeProcess>): Promise<NodeProcess> {
  for (let left = STARTS; left > 1; left--) {
    try {
      return await start();
    } catch {
      // The last failure is told.
    }
  }
  return await start();
}
