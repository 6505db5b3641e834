import { errorCode } from "../../src/base/error.ts";
import { HttpError } from "../shared/http-error.ts";
import { DashboardCalls } from "./calls.ts";
import type { ClusterCaller } from "./cluster-caller.ts";
import { staticFile } from "./files.ts";
import { plain } from "./plain-json.ts";

/**
 * The dashboard: a page with its files, and the calls that the page makes.
 *
 * The files are open; every call needs a key as `authorization: Bearer <key>`, which a page of another site cannot send.
 * `npx meshsocket dashboard` runs it (`../../cli/dashboard/server.ts`), and `serve({ dashboard })` (`mount.ts`).
 */
export class Dashboard {
  readonly #access: DashboardAccess;

  constructor(access: DashboardAccess) {
    this.#access = access;
  }

  /** Answers a request for a path of the dashboard, such as `/`, `/app.js` or `/api/state`. Never rejects. */
  async answer(request: Request, path: string): Promise<Response> {
    try {
      return path.startsWith("/api/") ? await this.#call(request, path.slice(5)) : fileOf(request, path);
    } catch (error) {
      return this.#failure(error);
    }
  }

  async #call(request: Request, name: string): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const calls = new DashboardCalls(this.#access.callerOf(request.headers.get("authorization")));
    const method = DashboardCalls.isChange(name) ? "POST" : "GET";
    if (request.method !== method) throw new HttpError(405, `use ${method}`);
    if (name === "tap") return answer(200, "application/x-ndjson", await calls.tap(searchParams, request.signal));
    const body = method === "POST" ? await bodyOf(request) : {};
    return answer(200, JSON_TYPE, JSON.stringify(await calls.run(name, searchParams, body), plain));
  }

  #failure(error: unknown): Response {
    const code = errorCode((error as Error | undefined)?.cause);
    const locked = code === "unauthenticated" && this.#access.byCluster;
    const status = error instanceof HttpError ? error.status : locked ? 401 : code === "permission_denied" ? 403 : 502;
    const text = locked ? this.#access.locked : error instanceof Error ? error.message : String(error);
    return answer(status, JSON_TYPE, JSON.stringify({ error: text }));
  }
}

/** The keys that open a dashboard. */
export interface DashboardAccess {
  /** The way to the cluster of a page that sends this `authorization`. Throws an {@link HttpError} of 401 for a wrong key. */
  callerOf(authorization: string | null): ClusterCaller;
  /** Whether the cluster checks the keys of pages. Otherwise a key that the cluster refuses is not that of the page. */
  readonly byCluster: boolean;
  /** Tells on the page how to open it. */
  readonly locked: string;
}

function fileOf(request: Request, path: string): Response {
  if (request.method !== "GET" && request.method !== "HEAD") throw new HttpError(405, "use GET");
  const file = staticFile(path);
  if (!file) throw new HttpError(404, "not found");
  return answer(200, file.type, request.method === "HEAD" ? null : file.content);
}

const JSON_TYPE = "application/json";

const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  // nginx would keep the lines of a tap until it has some kilobytes.
  "x-accel-buffering": "no",
};

function answer(status: number, type: string, body: BodyInit | null): Response {
  return new Response(body, { status, headers: { ...HEADERS, "content-type": type } });
}

const MAX_BODY_BYTES = 1_048_576;

async function bodyOf(request: Request): Promise<Readonly<Record<string, unknown>>> {
  let bytes = 0;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new HttpError(413, "the message is too long");
    text += decoder.decode(chunk, { stream: true });
  }
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    throw new HttpError(400, "the body must be JSON");
  }
}
