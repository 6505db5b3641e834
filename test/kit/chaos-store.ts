import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { startEtcd, type TestEtcd } from "./etcd.ts";
import type { StorageSetup } from "./node-control.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** The storages that a chaos test runs on. */
export const STORES = ["redis", "etcd"] as const;

export type StoreName = typeof STORES[number];

/** A real storage server and what can go wrong with it. */
export interface ChaosStore {
  readonly name: StoreName;
  /** A way to it of one node's own, and the proxy on that way. */
  open(): Promise<{ readonly setup: StorageSetup; readonly proxy: TcpProxy }>;
  /** Everything in it, keys and values, as text. */
  content(): Promise<string>;
  /** Forgets everything. */
  wipe(): Promise<void>;
  /** Loses the entries of these ids without a sign. */
  lose(ids: readonly string[]): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** A {@link ChaosStore} on Redis, which can also be killed and come back empty. */
export interface ChaosRedis extends ChaosStore {
  readonly name: "redis";
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
}

/** A {@link ChaosStore} on etcd, whose leases can be revoked. */
export interface ChaosEtcd extends ChaosStore {
  readonly name: "etcd";
  revokeAll(): Promise<void>;
}

const PREFIX = "chaos";

export async function startStore(name: StoreName): Promise<ChaosStore> {
  return name === "redis" ? await startChaosRedis() : await startChaosEtcd();
}

export async function startChaosRedis(): Promise<ChaosRedis> {
  const redis = await startRedis();
  const { token } = redis;
  let child = redis.process;
  return {
    name: "redis",
    async open() {
      const proxy = await TcpProxy.open(Number(new URL(redis.url).port));
      return { proxy, setup: { url: `http://${proxy.host}`, token, prefix: PREFIX } };
    },
    content: () => contentOf(redis),
    wipe: () => redis.flush(),
    lose: async (ids) => void (await redis.command("HDEL", PREFIX, ...ids)),
    pause: () => signal(child, "SIGSTOP"),
    resume: () => signal(child, "SIGCONT"),
    kill: () => killed(child),
    async restart() {
      child = await spawnRedis(redis.port);
    },
    async stop() {
      await killed(child);
      await redis.stop();
    },
  };
}

export async function startChaosEtcd(): Promise<ChaosEtcd> {
  const etcd = await startEtcd();
  return {
    name: "etcd",
    async open() {
      const proxy = await TcpProxy.open(Number(new URL(etcd.endpoints[0] ?? "").port));
      return { proxy, setup: { endpoints: [`http://${proxy.host}`], prefix: PREFIX } };
    },
    content: () => etcdContent(etcd),
    wipe: () => etcd.wipe(),
    async lose(ids) {
      for (const id of ids) await etcd.call("/v3/kv/deleterange", { key: btoa(`${PREFIX}\xff${id}`) });
    },
    revokeAll: () => etcd.revokeAll(),
    pause: () => etcd.members[0]?.pause(),
    resume: () => etcd.members[0]?.resume(),
    stop: () => etcd.stop(),
  };
}

async function contentOf(redis: TestRedis): Promise<string> {
  const keys = textsOf(await redis.command("KEYS", "*"));
  const parts = [...keys];
  for (const key of keys) {
    const [type = ""] = textsOf(await redis.command("TYPE", key));
    const args = READ[type];
    if (args) parts.push(...textsOf(await redis.command(args[0] ?? "", key, ...args.slice(1))));
  }
  return parts.map((part) => part.replace(FORMER_HOLDER, "$1")).join("\n");
}

/** An entry's note of whom its claim replaced: history, which no call takes for a holder. */
const FORMER_HOLDER = /^(\S+ \d+ \S+) \S+ \d+ \S+$/;

/** How a Redis value of each type is read whole. */
const READ: Readonly<Record<string, readonly string[]>> = {
  string: ["GET"],
  hash: ["HGETALL"],
  set: ["SMEMBERS"],
  zset: ["ZRANGE", "0", "-1"],
};

const decoder = new TextDecoder("latin1");

function textsOf(reply: unknown): string[] {
  if (Array.isArray(reply)) return reply.flatMap(textsOf);
  return [reply instanceof Uint8Array ? decoder.decode(reply) : String(reply)];
}

async function etcdContent(etcd: TestEtcd): Promise<string> {
  const everything = { key: btoa("\0"), range_end: btoa("\0") };
  const { kvs = [] } = await etcd.call("/v3/kv/range", everything) as { kvs?: { key: string; value?: string }[] };
  return kvs.map(({ key, value = "" }) => `${atob(key)} ${atob(value)}`).join("\n");
}

async function spawnRedis(port: number): Promise<ChildProcess> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Uint8Array) => {
      if (decoder.decode(chunk).includes("Ready to accept connections")) resolve();
    });
  });
  return child;
}

/** Not by the child's own kill(): Deno takes any signal that it sends for the end of the child. */
export function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(child.pid, name);
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
