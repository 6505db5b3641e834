import process from "node:process";
import { parseArgs } from "node:util";
import { type Command, type Environment, UsageError } from "./command.ts";
import type { EndpointServerOptions, ServedRedisEndpoint } from "./redis-endpoint.ts";

const HELP = `Usage: npx meshsocket redis-endpoint [--redis URL] [--host HOST] [--port PORT]

Serves a Redis over HTTP, in the way of Upstash: for edge runtimes that have fetch and no TCP connection.
Programs on Node, Bun and Deno need no endpoint: new RedisStorage("redis://…").

  option    variable                 default
  --redis   REDIS_URL                redis://127.0.0.1:6379   redis://user:password@host:port/database, or rediss://
  --host    HOST                     127.0.0.1                the address to listen on; 0.0.0.0 for all
  --port    PORT                     8079                     0 takes any free port
            MESHSOCKET_REDIS_TOKEN   none                     the bearer token of all requests, at least 16 characters

  export MESHSOCKET_REDIS_TOKEN=$(openssl rand -hex 32)
  REDIS_URL=redis://127.0.0.1:6379 npx meshsocket redis-endpoint
  curl -H "Authorization: Bearer $MESHSOCKET_REDIS_TOKEN" -d '["PING"]' http://127.0.0.1:8079

GET /health needs no token: 200 while Redis answers, else 503. SIGTERM and SIGINT end it in order.
The token is all that protects the Redis, and it travels as it is: use a private network, or TLS in front.`;

/** `npx meshsocket redis-endpoint`. */
export const redisEndpointCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const options = optionsFrom(args, environment);
    const serve = await load();
    const served = await serve(options).catch((error: unknown) => {
      throw startError(error, options);
    });
    console.log(`Redis over HTTP on ${served.url}`);
    endOnSignal(served);
  },
};

type StartOptions = Required<Pick<EndpointServerOptions, "token" | "hostname" | "port" | "redisUrl">>;

function optionsFrom(args: readonly string[], environment: Environment): StartOptions {
  const given = valuesOf(args);
  const value = (option: string | undefined, name: string): string | undefined =>
    option ?? (environment[name] || undefined);
  const token = environment["MESHSOCKET_REDIS_TOKEN"] ?? "";
  if (!/^[\x21-\x7e]{16,}$/.test(token)) {
    throw new UsageError(
      "set MESHSOCKET_REDIS_TOKEN to a token of at least 16 characters without spaces, such as $(openssl rand -hex 32)",
    );
  }
  return {
    token,
    hostname: value(given.host, "HOST") ?? "127.0.0.1",
    port: portOf(value(given.port, "PORT") ?? "8079"),
    redisUrl: redisUrlOf(value(given.redis, "REDIS_URL") ?? "redis://127.0.0.1:6379"),
  };
}

function valuesOf(args: readonly string[]): { redis?: string; host?: string; port?: string } {
  const option = { type: "string" } as const;
  try {
    return parseArgs({ args: [...args], options: { redis: option, host: option, port: option } }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`the port must be a whole number from 0 to 65535, not ${JSON.stringify(text)}`);
}

/** The text may hold a password, so it is not shown. */
function redisUrlOf(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^rediss?:\/\//.test(text) && url.hostname !== "" && /^(?:\/\d*)?$/.test(url.pathname)) {
    return text;
  }
  throw new UsageError("the Redis must be a URL such as redis://user:password@10.0.0.5:6379/0, or rediss://…");
}

/** The endpoint needs the package redis, which is optional. */
async function load(): Promise<(options: EndpointServerOptions) => Promise<ServedRedisEndpoint>> {
  try {
    return (await import("./redis-endpoint.ts")).serveRedisEndpoint;
  } catch (error) {
    const install = "npm install redis, or npx --package=redis --package=meshsocket meshsocket redis-endpoint";
    throw new Error(`the package redis is missing: ${install}`, { cause: error });
  }
}

function startError(error: unknown, { hostname, port, redisUrl }: StartOptions): Error {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  if (syscall === "listen") {
    const why = code === "EADDRINUSE" ? "the port is taken: choose another --port" : String(code);
    return new Error(`could not listen on ${hostname}:${port}: ${why}`, { cause: error });
  }
  const why = typeof code === "string" ? code : error instanceof Error ? error.message : String(error);
  return new Error(`could not connect to the Redis at ${URL.parse(redisUrl)?.host}: ${why}`, { cause: error });
}

function endOnSignal(served: ServedRedisEndpoint): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      served.close().then(() => process.exit(0), () => process.exit(1));
    });
  }
}
