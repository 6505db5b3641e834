import { Redis } from "@upstash/redis";
import { errorCode, MeshError } from "../../base/error.ts";
import { notOurs, RedisReplyError, tooSlow, unreachable } from "./errors.ts";
import type { RedisWay, RedisWayOptions } from "./way.ts";

/** Where a Redis over HTTP is. */
export interface RedisConfig {
  /** `https://…`, or `http://…` inside a private network. */
  url: string;
  /** The bearer token of the endpoint. */
  token: string;
}

/** The part of a `Redis` of `@upstash/redis` that is used. */
export interface RedisClient {
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  evalsha(sha: string, keys: string[], args: string[]): Promise<unknown>;
}

/** The way over HTTP: one request for each command. */
export class RedisHttp implements RedisWay {
  readonly host: string;
  readonly #timeoutMs: number;
  readonly #client: RedisClient;
  #ready: Promise<void> | undefined;

  /** A client that somebody else made is probed before its first command. */
  constructor(client: RedisClient, probe: boolean, options: RedisWayOptions) {
    this.host = options.host;
    this.#timeoutMs = options.timeoutMs;
    this.#client = client;
    this.#ready = probe ? undefined : Promise.resolve();
  }

  async eval(script: string, keys: string[], args: string[]): Promise<unknown> {
    await this.#probed();
    return await this.#sent(this.#client.eval(script, keys, args));
  }

  async evalsha(sha: string, keys: string[], args: string[]): Promise<unknown> {
    await this.#probed();
    return await this.#sent(this.#client.evalsha(sha, keys, args));
  }

  close(): void {}

  /** A client found unsafe stays so; a probe that failed for another reason is repeated by the next call. */
  async #probed(): Promise<void> {
    try {
      await (this.#ready ??= this.#probe());
    } catch (error) {
      if (errorCode(error) !== "failed_precondition") this.#ready = undefined;
      throw error;
    }
  }

  async #probe(): Promise<void> {
    checkClient(this.#client);
    const echo = await this.#sent(this.#client.eval("return ARGV[1]", [], ["123"]));
    if (echo !== "123") refuse("it changes the type of answers: set automaticDeserialization to false");
  }

  async #sent(answer: Promise<unknown>): Promise<unknown> {
    try {
      return await answer;
    } catch (error) {
      throw this.#translated(error);
    }
  }

  /** An error of the client that quotes the command or the answer is replaced by one with Redis' own words. */
  #translated(error: unknown): Error {
    if (!(error instanceof Error)) return unreachable(this.host, error);
    if (errorCode(error) !== undefined) return error;
    if (error.name === "UpstashError") return new RedisReplyError(this.host, error.message);
    if (error.name === "TimeoutError") return tooSlow(this.host, this.#timeoutMs, error);
    if (error.name === "UpstashJSONParseError") return notOurs(this.host, "something that is not JSON");
    return unreachable(this.host, error);
  }
}

/**
 * A client that sends each command once, gives up after `timeoutMs`, and leaves the answer as it is.
 *
 * `retry: false` would still send twice (@upstash/redis 1.39): only `retries: 0` sends once.
 */
export function makeRedisClient({ url, token }: RedisConfig, timeoutMs: number): RedisClient {
  return new Redis({
    url,
    token,
    retry: { retries: 0 },
    signal: () => AbortSignal.timeout(timeoutMs),
    automaticDeserialization: false,
    responseEncoding: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
  });
}

interface HttpClientShape {
  baseUrl?: unknown;
  retry?: { attempts?: unknown };
  options?: { signal?: unknown };
}

function shapeOf(client: RedisClient): HttpClientShape | undefined {
  return (client as { client?: HttpClientShape }).client;
}

/** The host of a client that somebody else made, for error texts. */
export function hostOfClient(client: RedisClient): string {
  const url = shapeOf(client)?.baseUrl;
  return (typeof url === "string" && URL.parse(url)?.host) || "the address of the Redis client";
}

/**
 * Throws (`failed_precondition`) with the reason unless a client that somebody else made is safe to claim with:
 * a client that repeats a command by itself could repeat an old claim and steal an id back.
 */
function checkClient(client: RedisClient): void {
  const http = shapeOf(client);
  const attempts = http?.retry?.attempts;
  if (attempts !== 0) {
    refuse(
      attempts === undefined ? "whether it retries cannot be seen" : "it repeats commands: set retry to { retries: 0 }",
    );
  }
  const signal = http?.options?.signal;
  if (typeof signal !== "function" || !((signal as () => unknown)() instanceof AbortSignal)) {
    refuse("it has no timeout that throws: set signal to () => AbortSignal.timeout(1000)");
  }
}

function refuse(reason: string): never {
  throw new MeshError(
    "failed_precondition",
    `this Redis client is not safe for a RedisStorage: ${reason}; or give the RedisStorage { url, token }`,
  );
}
