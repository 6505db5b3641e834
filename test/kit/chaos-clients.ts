import { TestClient } from "./client.ts";
import type { ChaosCluster, Seat } from "./chaos-cluster.ts";
import type { ConnectionLog, EmitHistory } from "./emit-history.ts";
import type { Random } from "./random.ts";

const RETRY_MS = 200;

/** Clients that come back, on any node, whenever they lose their connection; all they see goes into the history. */
export class ChaosClients {
  readonly ids: readonly string[];
  readonly #cluster: ChaosCluster;
  readonly #history: EmitHistory;
  readonly #random: Random;
  readonly #open = new Map<string, { client: TestClient; log: ConnectionLog }>();
  /** Connections under way. */
  readonly #connecting = new Map<string, Promise<void>>();
  #stopped = false;

  constructor(cluster: ChaosCluster, history: EmitHistory, random: Random, count: number) {
    this.#cluster = cluster;
    this.#history = history;
    this.#random = random;
    this.ids = Array.from({ length: count }, (_, index) => `client-${index}`);
  }

  /** Connects all. */
  async start(): Promise<void> {
    await Promise.all(this.ids.map((id) => this.#connect(id)));
  }

  /** Whether every client has a connection that stands. */
  get complete(): boolean {
    return this.#open.size === this.ids.length && this.#connecting.size === 0;
  }

  /** Leaves, and comes back on any node. */
  leave(id: string): void {
    const open = this.#open.get(id);
    if (!open) return;
    open.log.left = true;
    open.client.ws.close();
  }

  /** Connects once more while the present connection stands. */
  async doubleUp(id: string): Promise<void> {
    if (this.#open.has(id)) await this.#connect(id);
  }

  /** All leave for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#connecting.values());
    for (const [id] of this.#open) this.leave(id);
  }

  #connect(id: string): Promise<void> {
    const under = this.#connecting.get(id) ?? this.#keepConnecting(id).finally(() => this.#connecting.delete(id));
    this.#connecting.set(id, under);
    return under;
  }

  async #keepConnecting(id: string): Promise<void> {
    while (!this.#stopped) {
      const seat = this.#random.pick(this.#cluster.seats);
      if (await this.#connectTo(seat, id).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * (0.5 + Math.random())));
    }
  }

  async #connectTo({ node }: Seat, id: string): Promise<boolean> {
    const client = new TestClient(node.clientUrl(id));
    const log: ConnectionLog = { id, openedAt: this.#history.tick(), got: [] };
    const welcomed = Promise.withResolvers<boolean>();
    client.ws.addEventListener("message", ({ data }: MessageEvent) => {
      if (String(data) === `welcome ${id}`) welcomed.resolve(true);
      else log.got.push(String(data));
    });
    this.#history.connections.push(log);
    void client.untilClosed.then(({ code }) => {
      welcomed.resolve(false);
      log.closedAt = this.#history.tick();
      log.code = code;
      if (this.#open.get(id)?.client !== client) return;
      this.#open.delete(id);
      if (!this.#stopped) void this.#connect(id);
    });
    const timer = setTimeout(() => {
      log.left = true;
      client.ws.close();
      welcomed.resolve(false);
    }, 5_000);
    const stands = await welcomed.promise;
    clearTimeout(timer);
    if (stands && log.closedAt === undefined) this.#open.set(id, { client, log });
    return stands && log.closedAt === undefined;
  }
}
