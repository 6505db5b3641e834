import type { ChaosCluster, Seat } from "./chaos-cluster.ts";
import type { ChaosFault } from "./chaos-faults.ts";
import type { Random } from "./random.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** Proxies before the nodes' public ports, one for each seat, for clients that come back on any node. */
export class ClientFronts {
  readonly #cluster: ChaosCluster;
  readonly #random: Random;
  readonly #fronts = new Map<Seat, TcpProxy>();

  private constructor(cluster: ChaosCluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
  }

  static async open(cluster: ChaosCluster, random: Random): Promise<ClientFronts> {
    const fronts = new ClientFronts(cluster, random);
    for (const seat of cluster.seats) fronts.#fronts.set(seat, await TcpProxy.open());
    return fronts;
  }

  /** Where a client connects to: any node, through its front. */
  address(id: string, topics: readonly string[] = []): string {
    const seat = this.#random.pick(this.#cluster.seats);
    const front = this.#fronts.get(seat);
    const { port } = new URL(seat.node.url);
    front?.target(Number(port));
    return seat.node.clientUrl(id, topics).replace(/127\.0\.0\.1:\d+|localhost:\d+/, front?.host ?? "");
  }

  /** The runtime of the node behind an address. */
  runtimeAt(url: string): string {
    const { host } = new URL(url);
    return [...this.#fronts].find(([, front]) => front.host === host)?.[0].runtime ?? "none";
  }

  /** A front that a fault may strike. */
  any(): TcpProxy {
    return this.#random.pick([...this.#fronts.values()]);
  }

  /** Every front carries everything again. */
  heal(): void {
    for (const front of this.#fronts.values()) front.resume();
  }

  async close(): Promise<void> {
    for (const front of this.#fronts.values()) await front.close();
  }
}

/** Faults on the connections of clients. */
export function frontFaults(fronts: Pick<ClientFronts, "any">): ChaosFault[] {
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const cut = (name: string, run: () => void): ChaosFault => ({
    name,
    async run() {
      for (let times = 0; times < 3; times++) {
        run();
        await sleep(300);
      }
    },
  });
  return [
    cut("clients' connections cut", () => fronts.any().cut()),
    cut("clients' connections reset", () => fronts.any().reset()),
    {
      name: "clients' connections half-open",
      async run() {
        const front = fronts.any();
        front.shape({ swallow: true });
        await sleep(1_500);
        front.cut();
        front.resume();
      },
    },
    {
      name: "clients' connections held up",
      async run() {
        const front = fronts.any();
        front.shape({ hold: true });
        await sleep(700);
        front.resume();
      },
    },
  ];
}
