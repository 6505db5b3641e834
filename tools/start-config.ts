import { checkHost } from "../src/base/host.ts";
import type { CloseOptions } from "../src/hub/hub-options.ts";
import type { RpcOptions } from "../src/hub/serve-options.ts";
import { RedisStorage } from "../src/storage/redis/redis.ts";
import type { Storage } from "../src/storage/storage.ts";
import type { ChatNodeOptions } from "./chat-node.ts";
import { RemoteStorage } from "./remote-storage.ts";

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The scheme that `tools/demo.ts` puts before the URL of a memory that it serves to its nodes. */
export const MEMORY_SCHEME = "memory+";

const DRAIN_MS = 5_000;

/** The settings of a node, from the variables that `tools/start.ts` documents. Throws an Error with one clear line for a bad one. */
export function configFrom(environment: Environment): ChatNodeOptions {
  const value = (...names: string[]): string | undefined => names.map((name) => environment[name]).find(Boolean);
  const url = value("MESHSOCKET_STORAGE_URL", "UPSTASH_REDIS_REST_URL");
  const port = numberOf("PORT", value("PORT"), 0, 65_535);
  const cluster = url === undefined ? noCluster(value) : {
    storage: storageOf(url, value("MESHSOCKET_STORAGE_TOKEN", "UPSTASH_REDIS_REST_TOKEN"), value("MESHSOCKET_PREFIX")),
    secret: value("MESHSOCKET_SECRET"),
    leaseMs: numberOf("MESHSOCKET_LEASE_MS", value("MESHSOCKET_LEASE_MS"), 300, 3_600_000),
    rpc: rpcOf(value),
  };
  const health = switchOf("MESHSOCKET_HEALTH", value("MESHSOCKET_HEALTH")) ?? true;
  return { port: port ?? 8080, hostname: value("HOST") ?? "0.0.0.0", health, cluster };
}

/** How a node that is told to end closes its hub. Throws as {@link configFrom} does. */
export function closeOptionsFrom(environment: Environment): Required<CloseOptions> {
  const msOf = (name: string): number | undefined => numberOf(name, environment[name] || undefined, 0, 600_000);
  return { announceMs: msOf("MESHSOCKET_ANNOUNCE_MS") ?? 0, drainMs: msOf("MESHSOCKET_DRAIN_MS") ?? DRAIN_MS };
}

type Value = (...names: string[]) => string | undefined;

/** Refuses settings that only a node of a cluster uses, if this node is alone. */
function noCluster(value: Value): undefined {
  for (const name of ["RPC_PORT", "RPC_HOST", "ADVERTISE", "MESHSOCKET_PREFIX", "MESHSOCKET_LEASE_MS"]) {
    if (value(name) !== undefined) throw new Error(`${name} goes with a cluster: set MESHSOCKET_STORAGE_URL too`);
  }
}

function storageOf(url: string, token: string | undefined, prefix: string | undefined): Storage {
  const plain = url.startsWith(MEMORY_SCHEME) ? url.slice(MEMORY_SCHEME.length) : url;
  const scheme = URL.parse(plain)?.protocol ?? "";
  if (/^rediss?:$/.test(scheme) && plain === url) return new RedisStorage(url, prefix);
  if (!/^https?:$/.test(scheme)) {
    // It may hold a password, so it is not shown.
    throw new Error("MESHSOCKET_STORAGE_URL must be a URL that begins with redis://, rediss://, http:// or https://");
  }
  if (token === undefined) throw new Error("MESHSOCKET_STORAGE_TOKEN must be set: the token of MESHSOCKET_STORAGE_URL");
  if (plain !== url) return new RemoteStorage({ url: plain, token }, prefix);
  return new RedisStorage({ url, token }, prefix);
}

function rpcOf(value: Value): RpcOptions {
  const port = numberOf("RPC_PORT", value("RPC_PORT"), 0, 65_535);
  const [hostname, advertise] = [value("RPC_HOST"), value("ADVERTISE")];
  if (advertise !== undefined) checkAdvertised(advertise);
  return {
    ...(port !== undefined && { port }),
    ...(hostname !== undefined && { hostname }),
    ...(advertise !== undefined && { advertise }),
  };
}

function checkAdvertised(advertise: string): void {
  try {
    checkHost(advertise);
  } catch (error) {
    throw new Error(`ADVERTISE must be host:port, such as 10.0.0.5:8081: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function switchOf(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text === "on" || text === "off") return text === "on";
  throw new Error(`${name} must be on or off, not ${JSON.stringify(text)}`);
}

function numberOf(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new Error(`${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
}
