import { MeshError } from "../../base/error.ts";
import { notOurs, RedisReplyError, tooSlow, unreachable } from "./errors.ts";
import type { LoadRedis, RedisConnection } from "./tcp.ts";

/** Where a Redis over TCP is, with those options of `createClient` of the `redis` package that a storage takes. */
export interface RedisTcpConfig {
  /** `redis://user:password@host:port/database`, or `rediss://…` for TLS. */
  url: string;
  username?: string;
  password?: string;
  /** The number of the database. Default 0. */
  database?: number;
  /** Options of the socket, among them those of `node:tls` for `rediss://`: `{ ca, cert, key, servername }`. */
  socket?: object;
  /** The name of the connection, as `CLIENT LIST` shows it. */
  name?: string;
  /** Makes the credentials of each connection, for those that expire. */
  credentialsProvider?: object;
  /** Commands that may wait at once. Over it a call rejects. Default: no limit. */
  commandsQueueMaxLength?: number;
  /** Added to the name of the library that `CLIENT LIST` shows, unless `disableClientInfo`, which is true by default. */
  clientInfoTag?: string;
  disableClientInfo?: boolean;
  /** Notifications of a Redis Enterprise about its maintenance. Default "disabled". */
  maintNotifications?: "disabled" | "enabled" | "auto";
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A primary that Redis Sentinels watch. */
export interface RedisSentinelConfig {
  /** The name of the primary in the Sentinels' configuration, such as `mymaster`. */
  name: string;
  /** Some of the Sentinels. */
  sentinelRootNodes: readonly { readonly host: string; readonly port: number }[];
  /** Options for the connection to the primary, as in {@link RedisTcpConfig}. */
  nodeClientOptions?: object;
  /** Options for the connections to the Sentinels. */
  sentinelClientOptions?: object;
}

/** A Redis Cluster, with those options of `createCluster` of the `redis` package that a storage takes. All keys of a prefix are in one slot. */
export interface RedisClusterConfig {
  /** Some of its nodes. */
  rootNodes: readonly { readonly url: string }[];
  /** Options for the connections to all nodes, among them `username` and `password`. */
  defaults?: object;
  /** The addresses to connect to for those that the cluster names, where its network is another. */
  nodeAddressMap?: object;
  /** How often a command follows to the node that has its keys. Default 16. */
  maxCommandRedirections?: number;
}

/** The part of the `redis` package that is used. It is loaded by the first command, and only for Redis over TCP. */
interface RedisPackage {
  createClient(options: object): PackageClient;
  createCluster(options: object): PackageCluster;
  ErrorReply: new (...args: never[]) => Error;
}

interface PackageClient {
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  sendCommand(command: string[]): Promise<unknown>;
  on(event: "error", listener: (error: unknown) => void): unknown;
  unref(): void;
  destroy(): void;
}

interface PackageCluster extends Omit<PackageClient, "isReady" | "sendCommand" | "unref"> {
  readonly isOpen: boolean;
  sendCommand(key: string, readonly: boolean, command: string[]): Promise<unknown>;
}

/** Opens a connection to one server. */
export function openOne(options: RedisTcpConfig, host: string): LoadRedis {
  return async () => {
    const redis = await loadPackage();
    return (timeoutMs) => connectOne(redis, options, host, timeoutMs);
  };
}

/** Opens a connection to the primary that the first Sentinel that answers names. */
export function openSentinel(config: RedisSentinelConfig): LoadRedis {
  return async () => {
    const redis = await loadPackage();
    return async (timeoutMs) => {
      const { host, port } = await primaryOf(redis, config, timeoutMs);
      const { socket, ...options } = { socket: {}, ...config.nodeClientOptions };
      return await connectOne(redis, { ...options, socket: { ...socket, host, port } }, `${host}:${port}`, timeoutMs);
    };
  };
}

/** Opens connections to a Redis Cluster. Each command goes to the node that has the prefix's slot. */
export function openCluster(config: RedisClusterConfig, host: string): LoadRedis {
  return async () => {
    const redis = await loadPackage();
    return (timeoutMs) => connectCluster(redis, config, host, timeoutMs);
  };
}

async function loadPackage(): Promise<RedisPackage> {
  // Not a literal, so that bundlers for edge runtimes leave out what only a TCP connection needs.
  const name = "redis";
  try {
    return (await import(/* @vite-ignore */ name)) as RedisPackage;
  } catch (error) {
    throw new MeshError(
      "failed_precondition",
      "Redis over TCP needs the package redis: run npm install redis (Bun: bun add redis, Deno: deno add npm:redis)",
      { cause: error },
    );
  }
}

async function connectOne(
  redis: RedisPackage,
  options: object,
  host: string,
  timeoutMs: number,
): Promise<RedisConnection> {
  const client = redis.createClient(once(options, timeoutMs));
  let unreadable: Error | undefined;
  client.on("error", () => {
    if (!client.isReady) return;
    // The connection stands, so what came over it is not the protocol of Redis.
    unreadable = notOurs(host, "something that is not the protocol of Redis");
    destroy(client);
  });
  client.unref();
  await connectInTime(client, host, timeoutMs).catch((error: unknown) => {
    throw translated(redis, host, error);
  });
  return {
    get usable() {
      return client.isReady;
    },
    send: (_key, command) =>
      client.sendCommand(command).catch((error: unknown) => {
        throw unreadable ?? translated(redis, host, error);
      }),
    destroy: () => destroy(client),
  };
}

async function connectCluster(
  redis: RedisPackage,
  { defaults, ...options }: RedisClusterConfig,
  host: string,
  timeoutMs: number,
): Promise<RedisConnection> {
  const cluster = redis.createCluster({
    ...options,
    minimizeConnections: true,
    defaults: once({ ...defaults }, timeoutMs),
  });
  cluster.on("error", () => {});
  await connectInTime(cluster, host, timeoutMs).catch((error: unknown) => {
    throw translated(redis, host, error);
  });
  let broken = false;
  return {
    get usable() {
      return cluster.isOpen && !broken;
    },
    send: (key, command) =>
      cluster.sendCommand(key, false, command).catch((error: unknown) => {
        // Another node may have the slot by now: the next command asks the cluster for its nodes again.
        broken ||= !(error instanceof redis.ErrorReply);
        throw translated(redis, host, error);
      }),
    destroy: () => destroy(cluster),
  };
}

/** Options of one connection that sends each command once, queues nothing while it is lost, and is not made again. */
function once(options: { socket?: object }, timeoutMs: number): object {
  return {
    RESP: 2,
    disableClientInfo: true,
    maintNotifications: "disabled",
    ...options,
    disableOfflineQueue: true,
    pingInterval: 0,
    socket: { connectTimeout: timeoutMs, ...options.socket, reconnectStrategy: false },
  };
}

/** Connects, or destroys the client: a server that is paused takes the connection and says nothing. */
async function connectInTime(client: PackageClient | PackageCluster, host: string, timeoutMs: number): Promise<void> {
  try {
    await inTime(client.connect(), host, timeoutMs);
  } catch (error) {
    destroy(client);
    throw error;
  }
}

/** Settles as the promise does, or rejects when the time is over. */
async function inTime<T>(promise: Promise<T>, host: string, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(tooSlow(host, timeoutMs)), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function destroy(client: PackageClient | PackageCluster): void {
  try {
    client.destroy();
  } catch {
    // It is closed already.
  }
}

function translated(redis: RedisPackage, host: string, error: unknown): unknown {
  return error instanceof redis.ErrorReply ? new RedisReplyError(host, error.message) : error;
}

/** Asks the Sentinels one after another. */
async function primaryOf(
  redis: RedisPackage,
  config: RedisSentinelConfig,
  timeoutMs: number,
): Promise<Address> {
  const each = Math.ceil(timeoutMs / (config.sentinelRootNodes.length + 1));
  let failure: unknown;
  for (const sentinel of config.sentinelRootNodes) {
    try {
      return await askSentinel(redis, config, sentinel, each);
    } catch (error) {
      failure = unreachable(`${sentinel.host}:${sentinel.port}, a Sentinel`, error);
    }
  }
  throw failure;
}

async function askSentinel(
  redis: RedisPackage,
  { name, sentinelClientOptions }: RedisSentinelConfig,
  address: Address,
  timeoutMs: number,
): Promise<Address> {
  const host = `${address.host}:${address.port}`;
  const options = { ...sentinelClientOptions, socket: { ...address } };
  const sentinel = await connectOne(redis, options, host, timeoutMs);
  try {
    const asked = sentinel.send("", ["SENTINEL", "get-master-addr-by-name", name]);
    const answer = await inTime(asked, host, timeoutMs);
    if (Array.isArray(answer)) return { host: String(answer[0]), port: Number(answer[1]) };
    throw new MeshError("unavailable", `the Sentinel ${host} watches no primary called ${name}`);
  } finally {
    sentinel.destroy();
  }
}
