import { Buffer } from "node:buffer";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { canCheck, type Storage } from "../../src/storage/storage.ts";
import { type Diagnosis, note, ok, wrong } from "./diagnosis.ts";

/** Whether the nodes can use a Redis, by `redis://`, `rediss://` or, of an endpoint over HTTP, `https://`. */
export async function checkRedis(url: string, token: string | undefined, prefix: string): Promise<Diagnosis[]> {
  const overHttp = /^https?:/.test(url);
  const storage = overHttp
    ? new RedisStorage({ url, token: token ?? "" }, prefix, { timeoutMs: TIMEOUT_MS })
    : new RedisStorage(url, prefix, { timeoutMs: TIMEOUT_MS });
  const host = URL.parse(url)?.host ?? "the storage";
  const findings = await checkStorage(storage, host);
  if (overHttp || findings.some(({ level }) => level === "wrong")) return findings;
  return [...findings, ...(await checkServer(url, host))];
}

/** Whether the nodes can use an etcd. */
export async function checkEtcd(endpoints: readonly string[], prefix: string): Promise<Diagnosis[]> {
  return await checkStorage(new EtcdStorage({ endpoints }, prefix), endpoints.join(", "));
}

const TIMEOUT_MS = 5_000;

/** With the words that the nodes themselves would use. */
async function checkStorage(storage: Storage, host: string): Promise<Diagnosis[]> {
  try {
    const found = canCheck(storage) ? await storage.check() : [];
    if (found.length > 0) return found.map(({ text, fix }) => wrong("storage", text, fix));
    const living = await storage.living();
    return [ok("storage", `${host} answers, and ${living.length} nodes hold a lease there`)];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [wrong("storage", text, "start that server, or correct the address and the credentials")];
  } finally {
    await storage.close();
  }
}

/** How safe a Redis server keeps what it is given. Without the right to ask it says so. */
async function checkServer(redisUrl: string, host: string): Promise<Diagnosis[]> {
  const { connectRedis } = await import("../redis-tcp.ts");
  const redis = await connectRedis({ redisUrl, timeoutMs: TIMEOUT_MS });
  try {
    const [persistence, replication] = await redis.pipeline([["INFO", "persistence"], ["INFO", "replication"]]);
    if (!(persistence instanceof Uint8Array) || !(replication instanceof Uint8Array)) {
      return [
        note(
          "storage",
          `${host} does not tell of its persistence and replicas`,
          "let the user run INFO, or look there",
        ),
      ];
    }
    return [...persistenceOf(textOf(persistence), host), ...replicasOf(textOf(replication), host)];
  } finally {
    await redis.close();
  }
}

function persistenceOf(info: string, host: string): Diagnosis[] {
  if (/^aof_enabled:1/m.test(info)) return [ok("storage", `${host} writes an append-only file`)];
  return [note(
    "storage",
    `${host} may lose its last writes when it restarts: it has no append-only file`,
    "set appendonly yes if topics have history; without history the nodes write again what they held",
  )];
}

function replicasOf(info: string, host: string): Diagnosis[] {
  const replicas = Number(/^connected_slaves:(\d+)/m.exec(info)?.[1] ?? 0);
  if (replicas > 0) return [ok("storage", `${host} has ${replicas} replicas`)];
  return [note(
    "storage",
    `${host} has no replica: while it is down new clients are refused, and those that are connected stay`,
    "add a replica and Sentinel, or use a managed Redis, if that is too long for you",
  )];
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
