/**
 * The dashboard: a page with its files, and the calls that the page makes.
 *
 * The files are open; every call needs the key as `authorization: Bearer <key>`, which a page of another site cannot send.
 * `npx meshsocket dashboard` runs it (`../dashboard-command.ts`).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { opened } from "../../adapters/shared/opened.ts";
import type { ClusterCaller } from "../cluster-caller.ts";
import { bearerCheck, HttpError } from "../http.ts";
import { DashboardCalls } from "./calls.ts";
import { staticFile } from "./files.ts";

/** How a dashboard is served. */
export interface DashboardOptions {
  readonly connection: ClusterCaller;
  /** Opens the calls of the page. */
  readonly key: string;
  readonly hostname: string;
  readonly port: number;
}

/** A dashboard that is served. */
export interface ServedDashboard {
  /** Its address, with the key after the `#`, which a browser sends to nobody. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the dashboard. Rejects if the address cannot be listened on. */
export async function serveDashboard(options: DashboardOptions): Promise<ServedDashboard> {
  const calls = new DashboardCalls(options.connection);
  const isBearer = bearerCheck(options.key);
  const server = createServer((request, response) => {
    answer(request, response, calls, isBearer).catch((error: unknown) => fail(response, error));
  });
  await opened(server, { host: options.hostname, port: options.port });
  const { port, address, family } = server.address() as AddressInfo;
  const name = family === "IPv6" ? `[${address}]` : address;
  return {
    url: `http://${name}:${port}/#key=${encodeURIComponent(options.key)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  calls: DashboardCalls,
  isBearer: ReturnType<typeof bearerCheck>,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://dashboard");
  if (!url.pathname.startsWith("/api/")) return sendFile(request, response, url.pathname);
  if (!isBearer(request.headers.authorization)) throw new HttpError(401, "the key is wrong");
  const name = url.pathname.slice("/api/".length);
  if (name === "tap") return await calls.tap(url.searchParams, response);
  const method = calls.isChange(name) ? "POST" : "GET";
  if (request.method !== method) throw new HttpError(405, `use ${method}`);
  const body = method === "POST" ? await bodyOf(request) : undefined;
  send(response, 200, "application/json", JSON.stringify(await calls.run(name, url.searchParams, body)));
}

function sendFile(request: IncomingMessage, response: ServerResponse, path: string): void {
  if (request.method !== "GET" && request.method !== "HEAD") throw new HttpError(405, "use GET");
  const file = staticFile(path);
  if (!file) throw new HttpError(404, "not found");
  send(response, 200, file.type, file.content);
}

const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

function send(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  response.writeHead(status, { ...HEADERS, "content-type": type });
  response.end(body);
}

function fail(response: ServerResponse, error: unknown): void {
  const status = error instanceof HttpError ? error.status : 502;
  const message = error instanceof Error ? error.message : String(error);
  if (response.headersSent) response.destroy();
  else send(response, status, "application/json", JSON.stringify({ error: message }));
}

const MAX_BODY_BYTES = 1_048_576;

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) throw new HttpError(413, "the message is too long");
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new HttpError(400, "the body must be JSON");
  }
}
