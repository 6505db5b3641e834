import { Redis } from "@upstash/redis";
import { errorCode, invalidArgument, MeshError } from "../../base/error.ts";
import { REDIS_SCRIPTS, type RedisScriptName } from "./scripts.ts";

/** Where a Redis over HTTP is. */
export interface RedisConfig {
  /** `https://…`, or `http://…` inside a private network. */
  url: string;
  /** The bearer token of the endpoint. */
  token: string;
}

/** What is used of a `Redis` of `@upstash/redis`. */
export interface RedisClient {
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  evalsha(sha: string, keys: string[], args: string[]): Promise<unknown>;
}

/**
 * A client that sends each command once, gives up after `timeoutMs`, and leaves the answer as it is.
 *
 * `retry: false` would still send twice (@upstash/redis 1.39): only `retries: 0` sends once.
 */
export function makeRedisClient(config: RedisConfig, timeoutMs: number): RedisClient {
  const { url, token } = config;
  if (typeof url !== "string" || !URL.canParse(url) || !/^https?:\/\/\S+$/.test(url)) {
    throw invalidArgument("the url of a RedisStorage must begin with https:// or http://");
  }
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw invalidArgument("the token of a RedisStorage must be a string without spaces");
  }
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

/**
 * Rejects (`failed_precondition`) with the reason unless a client that somebody else made is safe to claim with:
 * one that repeats a command by itself could repeat an old claim and steal an id back.
 */
export async function probeRedisClient(client: RedisClient): Promise<void> {
  const http = (client as { client?: HttpClientShape }).client;
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
  const echo = await client.eval("return ARGV[1]", [], ["123"]).catch(translate);
  if (echo !== "123") refuse("it changes the type of answers: set automaticDeserialization to false");
}

interface HttpClientShape {
  retry?: { attempts?: unknown };
  options?: { signal?: unknown };
}

function refuse(reason: string): never {
  throw new MeshError(
    "failed_precondition",
    `this Redis client is not safe for a RedisStorage: ${reason}; or give the RedisStorage { url, token }`,
  );
}

/** Runs a script by its digest: one request, and a second one with the text where the server does not know it yet. */
export async function runScript(
  client: RedisClient,
  name: RedisScriptName,
  keys: string[],
  args: string[],
): Promise<unknown> {
  const text = REDIS_SCRIPTS[name];
  const sha = await digestOf(name, text);
  try {
    return await client.evalsha(sha, keys, args);
  } catch (error) {
    if (!/\bNOSCRIPT\b/.test(replyText(error) ?? "")) translate(error);
  }
  return await client.eval(text, keys, args).catch(translate);
}

const digests = new Map<RedisScriptName, Promise<string>>();

function digestOf(name: RedisScriptName, text: string): Promise<string> {
  let digest = digests.get(name);
  if (digest === undefined) digests.set(name, digest = sha1(text));
  return digest;
}

async function sha1(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What Redis itself said, up to what it may quote and without the command that the client adds: both hold ids. */
function replyText(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "UpstashError") return undefined;
  return error.message.split(/,? command was|,? with args|['"`[{<]/, 1)[0]?.trim();
}

/**
 * Throws what a failed request means. An error of the client that quotes the command or the answer is replaced as cause by one
 * with Redis' own words, so that no id can reach a log by way of it.
 */
function translate(error: unknown): never {
  if (errorCode(error) !== undefined) throw error;
  const said = replyText(error);
  if (said !== undefined) {
    const denied = /\b(WRONGPASS|NOAUTH|NOPERM|unauthorized)\b/i.test(said);
    throw new MeshError(
      "unavailable",
      denied ? "the storage refused the token" : "the storage answered with an error",
      {
        cause: new Error(said),
      },
    );
  }
  if (error instanceof Error && error.name === "TimeoutError") {
    throw new MeshError("unavailable", "the storage did not answer in time", { cause: error });
  }
  if (error instanceof Error && error.name === "UpstashJSONParseError") {
    throw new MeshError("unavailable", "the storage answered something that is not JSON", {
      cause: new Error(error.name),
    });
  }
  throw new MeshError("unavailable", "the storage cannot be reached", { cause: error });
}
