import { freePort } from "./free-port.ts";
import { NODE_RUNTIMES, type NodeOptions, NodeProcess } from "./node-process.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import type { Runtime } from "./runtime.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A node of a {@link ProcessCluster}. The others reach it through its proxy. */
export interface ProxiedNode {
  readonly node: NodeProcess;
  readonly proxy: TcpProxy;
}

/** How a {@link ProcessCluster} is made. */
export interface ProcessClusterOptions extends Partial<Omit<NodeOptions, "runtime" | "storage" | "rpc">> {
  /** One node for each. Default: one on each runtime. */
  readonly runtimes?: readonly Runtime[];
  readonly redis?: Parameters<typeof startRedis>[0];
}

/** The secret of the clusters of tests. */
export const SECRET = "a secret of more than thirty-two bytes";

/** A cluster of processes of mixed runtimes over a real Redis, each node behind a proxy that a test can cut. */
export class ProcessCluster {
  readonly redis: TestRedis;
  readonly nodes: readonly ProxiedNode[];
  readonly #killed = new Set<NodeProcess>();

  private constructor(redis: TestRedis, nodes: readonly ProxiedNode[]) {
    this.redis = redis;
    this.nodes = nodes;
  }

  static async start(
    { runtimes = NODE_RUNTIMES, redis: redisOptions, ...options }: ProcessClusterOptions = {},
  ): Promise<ProcessCluster> {
    const redis = await startRedis(redisOptions);
    const storage = { url: redis.url, token: redis.token, prefix: "cluster" };
    const starts = runtimes.map((runtime) => startBehindProxy({ secret: SECRET, ...options, runtime, storage }));
    const started = await Promise.allSettled(starts);
    const nodes = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const cluster = new ProcessCluster(redis, nodes);
    const failed = started.find((one) => one.status === "rejected");
    if (!failed) return await cluster.#acquainted();
    await cluster.close();
    throw failed.reason;
  }

  /** The first node on a runtime. */
  on(runtime: Runtime): NodeProcess {
    const found = this.nodes.find(({ node }) => node.runtime === runtime);
    if (!found) throw new Error(`no node runs on ${runtime}`);
    return found.node;
  }

  /** SIGKILL. */
  async kill(node: NodeProcess): Promise<void> {
    this.#killed.add(node);
    await node.kill();
  }

  /** Closes all nodes, in order; rejects if anything went uncaught in one. */
  async close(): Promise<void> {
    const living = this.nodes.filter(({ node }) => !this.#killed.has(node));
    const closed = await Promise.allSettled(living.map(({ node }) => node.close()));
    await Promise.all(this.nodes.map(({ node }) => node.kill()));
    await Promise.all(this.nodes.map(({ proxy }) => proxy.close()));
    await this.redis.stop();
    for (const one of closed) if (one.status === "rejected") throw one.reason;
  }

  async #acquainted(): Promise<this> {
    for (const { node } of this.nodes) {
      for (const { node: other } of this.nodes) {
        if (other === node) continue;
        await node.event(
          `${node.runtime} to know ${other.runtime}`,
          (event) => event.type === "nodejoin" && event.host === other.host,
        );
      }
    }
    return this;
  }
}

async function startBehindProxy(options: NodeOptions): Promise<ProxiedNode> {
  const proxy = await TcpProxy.open();
  try {
    // Before it starts: a node dials its own address when it joins.
    const port = await freePort();
    proxy.target(port);
    const node = await NodeProcess.start({ ...options, rpc: { hostname: "127.0.0.1", port, advertise: proxy.host } });
    return { node, proxy };
  } catch (error) {
    await proxy.close();
    throw error;
  }
}
