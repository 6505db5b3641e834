/**
 * The HTTP interface of Upstash over any Redis server, for runtimes that have `fetch` and no TCP connection.
 *
 * It answers `POST /` with one command, `POST /pipeline` and `POST /multi-exec` with arrays of commands, and `GET /health`
 * without a token: 200 while Redis answers, else 503. `npx meshsocket redis-endpoint` runs it (`redis-endpoint-command.ts`).
 */
import { Buffer } from "node:buffer";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ErrorReply } from "redis";
import { opened } from "../adapters/shared/opened.ts";
import { HttpError } from "../adapters/shared/http-error.ts";
import { bearerCheck } from "./bearer-check.ts";
import { connectRedis } from "./redis-tcp.ts";
import type { RedisPipeline, RedisTcpOptions, Reply } from "./redis-tcp.ts";

export type { RedisTcpOptions } from "./redis-tcp.ts";

/** Options of an endpoint. */
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

/** Connects to Redis and returns the fetch handler. Rejects if Redis cannot be reached. */
export async function createRedisEndpoint(options: RedisEndpointOptions): Promise<RedisEndpoint> {
  if (options.token === "") throw new TypeError("the endpoint needs a token");
  const redis = await connectRedis(options);
  const isBearer = bearerCheck(options.token);
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;

  async function answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    if (path === "/health" && request.method === "GET") return await health(redis);
    if (!isBearer(request.headers.get("authorization"))) {
      throw new HttpError(401, "WRONGPASS invalid or missing auth token");
    }
    if (request.method !== "POST") throw new HttpError(405, "ERR use POST");
    const body = parse(await readText(request, maxBodyBytes));
    const encode = request.headers.get("upstash-encoding") === "base64" ? toBase64 : toText;
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

async function one(redis: RedisPipeline, command: string[], encode: (reply: Reply) => unknown): Promise<Response> {
  const [reply] = await redis.pipeline([command]);
  if (reply instanceof Error) throw new HttpError(400, reply.message);
  return Response.json({ result: encode(reply ?? null) });
}

async function health(redis: RedisPipeline): Promise<Response> {
  const [reply] = await redis.pipeline([["PING"]]);
  if (reply instanceof Error) return new Response(`${reply.message}\n`, { status: 503 });
  return new Response("ok\n");
}

/** Only Redis' own words and the endpoint's are passed on. */
function failure(error: unknown): Response {
  if (error instanceof HttpError) return Response.json({ error: error.message }, { status: error.status });
  const said = error instanceof ErrorReply ? error.message : "ERR the endpoint cannot reach its Redis";
  return Response.json({ error: said }, { status: 503 });
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

/** Options of {@link serveRedisEndpoint}. */
export interface EndpointServerOptions extends RedisEndpointOptions {
  /** Default 0: any free port. */
  port?: number;
  /** Default 127.0.0.1. */
  hostname?: string;
  /** Answers in front of the endpoint, for tests that delay, drop or break answers. */
  through?: (request: Request, endpoint: RedisEndpoint) => Promise<Response>;
}

/** An endpoint on a port. */
export interface ServedRedisEndpoint {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Serves an endpoint over HTTP/1.1 on `node:http`, which Node, Bun and Deno have. */
export async function serveRedisEndpoint(options: EndpointServerOptions): Promise<ServedRedisEndpoint> {
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
  await opened(server, { port: options.port ?? 0, host: hostname }).catch(async (error: unknown) => {
    await endpoint.close();
    throw error;
  });
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

/** Reads no faster than its reader; bytes that come after a cancel are discarded. */
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
