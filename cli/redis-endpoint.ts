/**
 * The HTTP interface of Upstash over any Redis server: for tests, and for people who run their own Redis.
 *
 *   MESHSOCKET_REDIS_TOKEN=… node cli/redis-endpoint.ts --port 8079 --redis redis://127.0.0.1:6379
 *
 * It answers `POST /` with one command, `POST /pipeline` and `POST /multi-exec` with arrays of commands.
 */
import { opened } from "../adapters/shared/opened.ts";
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { connectRedis } from "./redis-tcp.ts";
import type { RedisTcp, RedisTcpOptions, Reply } from "./redis-tcp.ts";

export type { RedisTcpOptions } from "./redis-tcp.ts";

/** What an endpoint needs to know. */
export interface RedisEndpointOptions extends RedisTcpOptions {
  /** The bearer token that every request must carry. */
  token: string;
  /** Bytes of one request body; a longer one is answered 413. Default 4 MiB. */
  maxBodyBytes?: number;
  /** Sees every command before it is sent to Redis. */
  onCommand?: (args: string[]) => void;
}

/** An endpoint without a port: a fetch handler. */
export interface RedisEndpoint {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

const DEFAULT_MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Commands that change or occupy the one connection that all requests share. */
const REFUSED: ReadonlySet<string> = new Set(
  `AUTH BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PSYNC
   PUNSUBSCRIBE QUIT RESET SELECT SHUTDOWN SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH`
    .split(/\s+/),
);

class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Connects to Redis and gives the fetch handler. Rejects if Redis cannot be reached. */
export async function createRedisEndpoint(options: RedisEndpointOptions): Promise<RedisEndpoint> {
  if (options.token === "") throw new TypeError("the endpoint needs a token");
  const redis = await connectRedis(options);
  const expected = digest(`Bearer ${options.token}`);
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;

  async function answer(request: Request): Promise<Response> {
    if (!timingSafeEqual(digest(request.headers.get("authorization") ?? ""), expected)) {
      throw new HttpError(401, "WRONGPASS invalid or missing auth token");
    }
    if (request.method !== "POST") throw new HttpError(405, "ERR use POST");
    const body = parse(await readText(request, maxBodyBytes));
    const encode = request.headers.get("upstash-encoding") === "base64" ? toBase64 : toText;
    const path = new URL(request.url).pathname;
    if (path === "/") return one(redis, checked(body, options), encode);
    if (path !== "/pipeline" && path !== "/multi-exec") throw new HttpError(404, "ERR no such path");
    if (!Array.isArray(body)) throw new HttpError(400, "ERR the body must be an array of commands");
    const commands = body.map((command) => checked(command, options));
    const replies = path === "/pipeline" ? await redis.pipeline(commands) : await redis.multi(commands);
    return Response.json(
      replies.map((reply) => (reply instanceof Error ? { error: reply.message } : { result: encode(reply) })),
    );
  }

  return {
    fetch: (request) => answer(request).catch(failure),
    close: () => redis.close(),
  };
}

async function one(redis: RedisTcp, command: string[], encode: (reply: Reply) => unknown): Promise<Response> {
  const [reply] = await redis.pipeline([command]);
  if (reply instanceof Error) throw new HttpError(400, reply.message);
  return Response.json({ result: encode(reply ?? null) });
}

function failure(error: unknown): Response {
  const status = error instanceof HttpError ? error.status : 503;
  return Response.json({ error: error instanceof Error ? error.message : String(error) }, { status });
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new HttpError(400, "ERR failed to parse the body as JSON");
  }
}

function checked(command: unknown, { onCommand }: RedisEndpointOptions): string[] {
  if (!Array.isArray(command) || command.length === 0) throw new HttpError(400, "ERR empty command");
  const args = command.map((arg: unknown) => {
    if (typeof arg === "string") return arg;
    if (typeof arg === "number" || typeof arg === "boolean") return String(arg);
    throw new HttpError(400, "ERR an argument must be a string, a number or a boolean");
  });
  const name = (args[0] ?? "").toUpperCase();
  const blocks = name.startsWith("XREAD") && args.some((arg) => arg.toUpperCase() === "BLOCK");
  if (REFUSED.has(name) || blocks) throw new HttpError(400, `ERR ${name} is not available over HTTP`);
  onCommand?.(args);
  return args;
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new HttpError(413, `ERR the body is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function toText(reply: Reply): unknown {
  if (Array.isArray(reply)) return reply.map(toText);
  if (reply instanceof Error) return reply.message;
  return reply instanceof Uint8Array ? Buffer.from(reply).toString("utf8") : reply;
}

function toBase64(reply: Reply): unknown {
  if (Array.isArray(reply)) return reply.map(toBase64);
  const text = reply instanceof Error ? reply.message : reply;
  if (typeof text === "number" || text === null) return text;
  const bytes = Buffer.from(text);
  return bytes.equals(OK) ? "OK" : bytes.toString("base64");
}

const OK: Buffer = Buffer.from("OK");

/** Where {@link serveRedisEndpoint} listens. */
export interface ServeOptions extends RedisEndpointOptions {
  /** Default 0: any free port. */
  port?: number;
  /** Default 127.0.0.1. */
  hostname?: string;
  /** Stands in front of the endpoint, for tests that delay, drop or break answers. */
  through?: (request: Request, endpoint: RedisEndpoint) => Promise<Response>;
}

/** An endpoint on a port. */
export interface ServedRedisEndpoint {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Serves an endpoint over HTTP/1.1 on `node:http`, which Node, Bun and Deno have. */
export async function serveRedisEndpoint(options: ServeOptions): Promise<ServedRedisEndpoint> {
  const endpoint = await createRedisEndpoint(options);
  const handle = options.through ?? ((request: Request) => endpoint.fetch(request));
  const server = createServer((incoming, outgoing) => {
    const request = toRequest(incoming);
    handle(request, endpoint)
      .then((response) => send(response, outgoing))
      .then(() => (request.bodyUsed ? undefined : request.body?.cancel()))
      .catch(() => outgoing.destroy());
  });
  const hostname = options.hostname ?? "127.0.0.1";
  await opened(server, { port: options.port ?? 0, host: hostname });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await endpoint.close();
    },
  };
}

function toRequest(incoming: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  const method = incoming.method ?? "GET";
  const body = method === "GET" || method === "HEAD" ? undefined : bodyOf(incoming);
  return new Request(new URL(incoming.url ?? "/", "http://endpoint"), {
    method,
    headers,
    ...(body && { body, duplex: "half" }),
  });
}

/** Reads no faster than it is read; what comes after a cancel is discarded. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let open = true;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      incoming.on("data", (chunk: Uint8Array) => {
        if (!open) return;
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.on("end", () => open && controller.close());
      incoming.on("error", (error) => open && controller.error(error));
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      open = false;
      incoming.resume();
    },
  });
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  const body = await response.text();
  outgoing.writeHead(response.status, { "content-type": response.headers.get("content-type") ?? "application/json" });
  outgoing.end(body);
}

async function main(): Promise<void> {
  const option = (name: string, fallback: string): string => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
  };
  const token = process.env["MESHSOCKET_REDIS_TOKEN"];
  if (!token) throw new Error("set MESHSOCKET_REDIS_TOKEN to the token that requests must carry");
  const served = await serveRedisEndpoint({
    token,
    port: Number(option("port", "8079")),
    hostname: option("host", "127.0.0.1"),
    redisUrl: option("redis", "redis://127.0.0.1:6379"),
  });
  console.log(`Redis over HTTP on ${served.url}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void served.close().then(() => process.exit(0)));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
