import { anything, checkObject, checkOptions, kindOf } from "../../base/check/check.ts";
import { invalidArgument } from "../../base/error.ts";
import {
  openCluster,
  openOne,
  openSentinel,
  type RedisClusterConfig,
  type RedisSentinelConfig,
  type RedisTcpConfig,
} from "./connect.ts";
import { checkCluster, checkOne, checkSentinels } from "./package-options.ts";
import { hostOfClient, makeRedisClient, type RedisClient, type RedisConfig, RedisHttp } from "./http.ts";
import { RedisTcp } from "./tcp.ts";
import type { RedisWay } from "./way.ts";

/** The name of a Redis: a URL, the settings of one way to it, or a `Redis` of `@upstash/redis`. */
export type RedisTarget =
  | string
  | RedisConfig
  | RedisTcpConfig
  | RedisSentinelConfig
  | RedisClusterConfig
  | RedisClient;

/** How a target is read. */
interface TargetOptions {
  readonly timeoutMs: number;
  /** For a target that is an `https://` URL. */
  readonly token: string | undefined;
}

/** The way to a Redis. Throws a TypeError (`invalid_argument`) that says what to write instead; it never holds a password. */
export function wayTo(target: unknown, { timeoutMs, token }: TargetOptions): RedisWay {
  if (typeof target === "string") return wayByUrl("the URL", target, { token }, timeoutMs);
  if (target === undefined || target === null) throw missing(`a RedisStorage needs a URL, not ${String(target)}`);
  checkObject("redis", target);
  const config = target as Readonly<Record<string, unknown>>;
  if (typeof config["sendCommand"] === "function") throw notAClient(target);
  if (typeof config["evalsha"] === "function") {
    const client = target as RedisClient;
    return new RedisHttp(client, true, { host: hostOfClient(client), timeoutMs });
  }
  if (typeof config["get"] === "function") throw notAClient(target);
  if ("sentinelRootNodes" in config) return wayBySentinels(config, timeoutMs);
  if ("rootNodes" in config) return wayToCluster(config, timeoutMs);
  const { url } = config;
  if (typeof url !== "string") throw missing(`redis.url must be a URL, not ${nameOf(url)}`);
  return wayByUrl("redis.url", url, config, timeoutMs);
}

const EXAMPLES = 'new RedisStorage("redis://127.0.0.1:6379"), or new RedisStorage({ url: "https://…", token })';

/** A client of ioredis or redis: its connections, and whether it retries, are its owner's. */
function notAClient(client: object): TypeError {
  return invalidArgument(
    `a RedisStorage takes the URL of a Redis, not the client (${kindOf(client)}). Write ${EXAMPLES}`,
  );
}

function missing(what: string): TypeError {
  const variables = "REDIS_URL, or UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN";
  return invalidArgument(`${what}: is an environment variable missing (${variables})? Write ${EXAMPLES}`);
}

function wayByUrl(
  what: string,
  text: string,
  config: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): RedisWay {
  if (text === "") throw missing(`${what} of a RedisStorage is empty`);
  const url = /\s|["'`]/.test(text) ? null : URL.parse(text);
  if (url === null || !/^(?:rediss?|https?):\/\//.test(text) || url.hostname === "") throw badUrl(what, text);
  if (url.protocol.startsWith("http")) return wayOverHttp(what, url, config, timeoutMs);
  if (config["token"] !== undefined) {
    throw invalidArgument(`token goes with https://, not with ${url.protocol}//: write the password in the URL`);
  }
  return wayOverTcp(what, url, config, timeoutMs);
}

function badUrl(what: string, text: string): TypeError {
  const scheme = /^[a-z][a-z\d+.-]{0,20}:\/\//i.exec(text)?.[0];
  const came = scheme === undefined ? `a text of ${text.length} characters without a scheme` : `${scheme}…`;
  const why = /\s|["'`]/.test(text) ? "; it holds white space or quotes: are they from the environment file?" : "";
  return invalidArgument(
    `${what} of a RedisStorage must begin with redis://, rediss://, https:// or http:// and name a host, not ${came}${why}. ` +
      `Write ${EXAMPLES}`,
  );
}

function wayOverHttp(
  what: string,
  url: URL,
  config: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): RedisWay {
  const token = config["token"] ?? (url.password === "" ? undefined : decodeURIComponent(url.password));
  if (token === undefined || token === "") {
    throw missing(`${what} begins with ${url.protocol}//, so a RedisStorage needs the token of that endpoint too`);
  }
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw invalidArgument(`the token of a RedisStorage must be a string without spaces, not ${nameOf(token)}`);
  }
  checkOptions<RedisConfig>("redis", config, { url: anything, token: anything }, "redis.");
  const { host } = url;
  url.username = url.password = "";
  const client = makeRedisClient({ url: url.href, token }, timeoutMs);
  return new RedisHttp(client, false, { host, timeoutMs });
}

function wayOverTcp(
  what: string,
  url: URL,
  config: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): RedisWay {
  if (!/^(?:\/\d*)?$/.test(url.pathname)) {
    throw invalidArgument(`${what} may end in the number of a database, such as redis://127.0.0.1:6379/2`);
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalidArgument(`${what} may have no ? and no #: write options next to it, { url, socket, … }`);
  }
  const { token: _, ...options } = config;
  checkOne(options);
  checkTls(url, config["socket"]);
  if (!isPercentEncoded(url.username) || !isPercentEncoded(url.password)) {
    throw invalidArgument(`${what} has a % in its user or password: write it as %25`);
  }
  const host = `${url.hostname}:${url.port || "6379"}`;
  const secure = url.protocol === "rediss:";
  return new RedisTcp(openOne({ ...options, url: url.href }, host), { host, timeoutMs, secure });
}

function checkTls(url: URL, socket: unknown): void {
  const { tls } = (socket ?? {}) as { tls?: unknown };
  if (tls === undefined || tls === (url.protocol === "rediss:")) return;
  throw invalidArgument(`redis.socket.tls contradicts the URL, which begins with ${url.protocol}//: leave tls out`);
}

function isPercentEncoded(text: string): boolean {
  return !/%(?![\da-f]{2})/i.test(text);
}

function wayBySentinels(config: Readonly<Record<string, unknown>>, timeoutMs: number): RedisWay {
  const { name, sentinelRootNodes: nodes } = config;
  if (typeof name !== "string" || name === "") {
    throw invalidArgument(`redis.name must be the name of the primary in the Sentinels, not ${nameOf(name)}`);
  }
  if (!isFilled(nodes) || !nodes.every(isAddress)) {
    throw invalidArgument('redis.sentinelRootNodes must be a list such as [{ host: "10.0.0.1", port: 26379 }]');
  }
  checkSentinels(config);
  const host = `${name} of the Sentinels ${nodes.map((one) => `${one.host}:${one.port}`).join(", ")}`;
  return new RedisTcp(openSentinel(config as unknown as RedisSentinelConfig), { host, timeoutMs });
}

function wayToCluster(config: Readonly<Record<string, unknown>>, timeoutMs: number): RedisWay {
  const { rootNodes: nodes } = config;
  if (!isFilled(nodes) || !nodes.every(isNode)) {
    throw invalidArgument('redis.rootNodes must be a list such as [{ url: "redis://10.0.0.1:6379" }]');
  }
  checkCluster(config);
  const host = nodes.map(({ url }) => URL.parse(url)?.host).join(", ");
  return new RedisTcp(openCluster(config as unknown as RedisClusterConfig, host), { host, timeoutMs });
}

function isFilled(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0;
}

function isAddress(value: unknown): value is { host: string; port: number } {
  const { host, port } = (value ?? {}) as { host?: unknown; port?: unknown };
  return typeof host === "string" && host !== "" && typeof port === "number";
}

function isNode(value: unknown): value is { url: string } {
  const { url } = (value ?? {}) as { url?: unknown };
  return typeof url === "string" && /^rediss?:\/\/[^/\s]+\/?$/.test(url) && URL.canParse(url);
}

function nameOf(value: unknown): string {
  return value === null ? "null" : typeof value;
}
