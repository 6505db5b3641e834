import { type ChaosStore, signal, startChaosEtcd, type StoreName } from "./chaos-store.ts";
import type { StorageSetup } from "./node-control.ts";
import { startRedisServer, type TestRedisServer } from "./redis.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { until } from "./until.ts";

const PREFIX = "chaos";
/** A replica is in step as soon as it can be. */
const ARGS = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];

/** A Redis with a replica that keeps the history of topics, and the registry too unless that is in etcd. */
export class CatchUpStore implements ChaosStore {
  readonly name: StoreName;
  /** The registry, if it is not this Redis. */
  readonly #registry: ChaosStore | undefined;
  /** Before the history, on the way of each node. */
  readonly ways: TcpProxy[] = [];
  /** Between the primary and its replica. */
  readonly #link: TcpProxy;
  #primary: TestRedisServer;
  #replica: TestRedisServer | undefined;

  private constructor(primary: TestRedisServer, link: TcpProxy, registry: ChaosStore | undefined) {
    this.#primary = primary;
    this.#link = link;
    this.#registry = registry;
    this.name = registry?.name ?? "redis";
  }

  static async start(name: StoreName): Promise<CatchUpStore> {
    const registry = name === "etcd" ? await startChaosEtcd() : undefined;
    const primary = await startRedisServer(ARGS);
    const store = new CatchUpStore(primary, await TcpProxy.open(primary.port), registry);
    await store.#addReplica();
    return store;
  }

  // ---- as a ChaosStore ----

  async open(): Promise<{ readonly setup: StorageSetup; readonly proxy: TcpProxy }> {
    const way = await TcpProxy.open(this.#primary.port);
    this.ways.push(way);
    const url = `redis://${way.host}`;
    if (!this.#registry) return { proxy: way, setup: { url, prefix: PREFIX } };
    const { setup, proxy } = await this.#registry.open();
    if (!("endpoints" in setup)) throw new Error("the registry is an etcd");
    return { proxy, setup: { ...setup, history: url } };
  }

  async content(): Promise<string> {
    return String(await this.#primary.command("KEYS", "*"));
  }

  async wipe(): Promise<void> {
    await (this.#registry?.wipe() ?? this.forget());
  }

  async lose(ids: readonly string[]): Promise<void> {
    if (this.#registry) await this.#registry.lose(ids);
    else await this.#primary.command("HDEL", PREFIX, ...ids);
  }

  pause(): void {
    if (this.#registry) this.#registry.pause();
    else this.stand();
  }

  resume(): void {
    this.#registry?.resume();
    this.go();
  }

  async stop(): Promise<void> {
    this.resume();
    await Promise.all([...this.ways, this.#link].map((proxy) => proxy.close()));
    await Promise.all([this.#primary.stop(), this.#replica?.stop(), this.#registry?.stop()]);
  }

  // ---- what can go wrong with the history ----

  /** SIGSTOP. */
  stand(): void {
    signal(this.#primary.process, "SIGSTOP");
  }

  /** SIGCONT. */
  go(): void {
    signal(this.#primary.process, "SIGCONT");
  }

  /** Forgets everything. */
  async forget(): Promise<void> {
    await this.#primary.command("FLUSHALL");
  }

  /** SIGKILL, and a start on the same port, empty. */
  async restart(): Promise<void> {
    const { port } = this.#primary;
    await this.#primary.stop();
    await this.#replica?.stop();
    this.#primary = await startRedisServer(ARGS, port);
    await this.#addReplica();
  }

  /**
   * The replica takes over. `behindMs`: it misses the writes of so many milliseconds. `lateMs`: so long some nodes still write to the old
   * primary, which is killed then.
   */
  async failOver({ behindMs = 0, lateMs = 0 }: { behindMs?: number; lateMs?: number }): Promise<void> {
    const old = this.#primary;
    const next = this.#replica;
    if (!next) return;
    if (behindMs > 0) {
      this.#link.pause();
      await sleep(behindMs);
    }
    if (lateMs === 0) await old.stop();
    await next.command("REPLICAOF", "NO", "ONE");
    this.#link.cut();
    this.#link.resume();
    this.#primary = next;
    const [first, ...rest] = this.ways;
    await this.#turn(lateMs > 0 && first ? [first] : this.ways);
    if (lateMs > 0) {
      await sleep(lateMs);
      await old.stop();
      await this.#turn(rest);
    }
    await this.#addReplica();
  }

  async #turn(ways: readonly TcpProxy[]): Promise<void> {
    for (const way of ways) {
      way.target(this.#primary.port);
      way.cut();
    }
  }

  async #addReplica(): Promise<void> {
    this.#link.target(this.#primary.port);
    const { host } = this.#link;
    const replica = await startRedisServer([...ARGS, "--replicaof", host.replace(":", " ")]);
    this.#replica = replica;
    await until(
      "a replica to be in step",
      async () => String(await replica.command("INFO", "replication")).includes("master_link_status:up"),
    );
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
