/**
 * A {@link MemoryStorage} for several processes of one machine, over HTTP: what the demo does without a redis-server.
 *
 * `POST /<prefix>/<method>` with a JSON array of arguments; claims are texts; `all` answers one line per entry.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorCode } from "../src/base/error.ts";
import { MemoryStorage } from "../src/storage/memory.ts";
import type { Holder, IdEntry, Storage } from "../src/storage/storage.ts";
import type { JsonFailure } from "./remote-storage.ts";

/** How {@link serveStorage} serves. */
export interface StorageServerOptions {
  /** The bearer token that every call must carry. */
  token: string;
  /** The storage of a prefix, asked for once. Default: a MemoryStorage for each. */
  open?: (prefix: string) => Storage;
  /** Default 0: any free port. */
  port?: number;
}

/** A storage on a port of this machine. */
export interface StorageServer {
  readonly url: string;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Serves storages on 127.0.0.1. */
export async function serveStorage(options: StorageServerOptions): Promise<StorageServer> {
  const { token, open = () => new MemoryStorage(), port = 0 } = options;
  const storages = new Map<string, Storage>();
  const storageOf = (prefix: string): Storage => {
    const storage = storages.get(prefix) ?? open(prefix);
    storages.set(prefix, storage);
    return storage;
  };
  const expected = digest(`Bearer ${token}`);
  const server = createServer((request, response) => {
    const known = timingSafeEqual(digest(request.headers.authorization ?? ""), expected);
    const answered = known ? answer(request, response, storageOf) : deny(response);
    answered.catch((error: unknown) => fail(response, error));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  storageOf: (prefix: string) => Storage,
): Promise<void> {
  const [, prefix = "", method = ""] = (request.url ?? "").split("/");
  const args = JSON.parse(await bodyOf(request)) as unknown[];
  const storage = storageOf(decodeURIComponent(prefix));
  if (method === "all") return await writeAll(storage, response);
  const result = await call(storage, method, args);
  send(response, 200, result);
}

/** The arguments come from {@link RemoteStorage}; what they are is checked by the storage itself. */
function call(storage: Storage, method: string, args: readonly unknown[]): Promise<unknown> {
  const [first, second, third] = args;
  const topic = first as string;
  switch (method) {
    case "set":
      return storage.set(first as string[], second as Holder, third as { ifAbsent: boolean });
    case "get":
      return storage.get(first as string[]);
    case "del":
      return storage.del((first as { id: string; life: string; claim: string }[]).map(withClaim));
    case "clear":
      return storage.clear(first as Holder);
    case "renew":
      return storage.renew(first as Holder, second as number, { ids: third as string[] });
    case "living":
      return storage.living();
    case "leave":
      return storage.leave(first as Holder);
    case "subscribe":
      return storage.subscribe(topic, second as Holder);
    case "unsubscribe":
      return storage.unsubscribe(topic, second as Holder);
    case "subscribers":
      return storage.subscribers(topic, (second as Holder | null) ?? undefined);
    default:
      throw new TypeError(`there is no method ${method}`);
  }
}

function withClaim(
  { id, life, claim }: { id: string; life: string; claim: string },
): Pick<IdEntry, "id" | "life" | "claim"> {
  return { id, life, claim: BigInt(claim) };
}

async function writeAll(storage: Storage, response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  for await (const entry of storage.all()) response.write(`${json(entry)}\n`);
  response.end();
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new RangeError(`the call is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

function json(value: unknown): string {
  return JSON.stringify(value ?? null, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(json(value));
}

async function deny(response: ServerResponse): Promise<void> {
  send(response, 401, { code: "unauthenticated", message: "the token is missing or wrong" } satisfies JsonFailure);
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  send(response, 400, { code: errorCode(error) ?? "internal", message } satisfies JsonFailure);
}
