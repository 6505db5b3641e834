import { anything, checkObject, checkOptions, checkText, defined, type OptionTable } from "../../base/check/check.ts";
import { invalidArgument } from "../../base/error.ts";
import type { RedisClusterConfig, RedisSentinelConfig, RedisTcpConfig } from "./connect.ts";

/** Throws a TypeError (`invalid_argument`) unless these are options of a connection to one server. */
export function checkOne(options: unknown): void {
  checkOurs("redis", options);
  checkOptions<RedisTcpConfig>("redis", options, { ...CONNECTION, url: anything }, "redis.");
}

/** Throws a TypeError (`invalid_argument`) unless these are options of a way by Sentinels. */
export function checkSentinels(options: unknown): void {
  checkOptions<RedisSentinelConfig>("redis", options, SENTINELS, "redis.");
}

/** Throws a TypeError (`invalid_argument`) unless these are options of a way to a Redis Cluster. */
export function checkCluster(options: unknown): void {
  checkOurs("redis", options);
  checkOptions<RedisClusterConfig>("redis", options, CLUSTER, "redis.");
}

/** Options of the package that would change what a storage relies on: one attempt per command, at the primary, with own keys. */
const OURS: Readonly<Record<string, string>> = {
  keyPrefix: "keyPrefix is the second argument: new RedisStorage(url, prefix)",
  disableOfflineQueue: "leave disableOfflineQueue out: a storage queues no command while its connection is lost",
  pingInterval: "leave pingInterval out: the renewal of the lease tests the connection",
  readonly: "leave readonly out: a storage writes",
  useReplicas: "leave useReplicas out: a replica may lack the newest claims",
  minimizeConnections: "leave minimizeConnections out: a storage needs one connection",
  RESP: "leave RESP out: a storage speaks RESP 2",
};

function checkOurs(what: string, options: unknown): void {
  checkObject(what, options);
  for (const [name, text] of Object.entries(OURS)) {
    if (name in options) throw invalidArgument(what === "redis" ? text : `${what}: ${text}`);
  }
}

const CONNECTION: OptionTable<Omit<RedisTcpConfig, "url">> = {
  username: defined(checkText),
  password: defined(checkText),
  database: anything,
  socket: (name, value) => checkObject(name, value),
  name: anything,
  credentialsProvider: anything,
  commandsQueueMaxLength: anything,
  clientInfoTag: anything,
  disableClientInfo: anything,
  maintNotifications: anything,
};

const NESTED = (name: string, value: unknown): void => {
  checkOurs(name, value);
  checkOptions<Omit<RedisTcpConfig, "url">>(name, value, CONNECTION, `${name}.`);
};

const SENTINELS: OptionTable<RedisSentinelConfig> = {
  name: anything,
  sentinelRootNodes: anything,
  nodeClientOptions: NESTED,
  sentinelClientOptions: NESTED,
};

const CLUSTER: OptionTable<RedisClusterConfig> = {
  rootNodes: anything,
  defaults: NESTED,
  nodeAddressMap: anything,
  maxCommandRedirections: anything,
};
