import { createConnectRouter } from "@connectrpc/connect";
import type { ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { fromReadableStream, toReadableStream } from "./body.ts";
import { namesEncodings } from "./grpc-answers.ts";
import { inTime } from "./in-time.ts";
import type { RpcServerOptions } from "./server-options.ts";

const NATIVE_GRPC = /^application\/grpc(?!-web)/i;

/** The services of a node, as Connect takes them. */
export type RpcRoutes = (router: ConnectRouter) => void;

/**
 * The services as a function from Request to Response: Connect and gRPC-Web, for a port that is shared with an application.
 *
 * Gives undefined for a path that is none of the services'. Native gRPC needs trailers, which a Response cannot carry:
 * that is what the RPC port is for.
 */
export function createRpcFetch(
  routes: RpcRoutes,
  options: RpcServerOptions,
): (request: Request) => Promise<Response | undefined> {
  const handlers = rpcHandlers(routes, { ...options, grpc: false });
  return async (request) => {
    const handler = handlers.get(new URL(request.url).pathname);
    if (!handler) return undefined;
    // Connect takes gRPC again for a service that has options of its own, and would leave its callers without a status.
    if (NATIVE_GRPC.test(request.headers.get("content-type") ?? "")) return new Response(null, { status: 415 });
    return await answer(handler, request);
  };
}

async function answer(handler: UniversalHandler, request: Request): Promise<Response> {
  const { status, header, body } = await handler({
    // Unsaid, so that Connect does not refuse bidirectional streams, which HTTP/1.1 carries on our three runtimes.
    httpVersion: "",
    method: request.method,
    url: request.url,
    header: request.headers,
    body: fromReadableStream(request.body),
    signal: request.signal,
  });
  return new Response(body ? toReadableStream(body) : null, { status, ...(header && { headers: header }) });
}

/** The services' handlers by path: without compression, and POST only. */
export function rpcHandlers(
  routes: RpcRoutes,
  options: RpcServerOptions & { grpc: boolean },
): ReadonlyMap<string, UniversalHandler> {
  const { grpc, readMaxBytes, writeMaxBytes, maxTimeoutMs, shutdownSignal } = options;
  const router = createConnectRouter({
    grpc,
    acceptCompression: [],
    // A page of another origin cannot set this header without asking first, and we do not answer when it asks.
    requireConnectProtocolHeader: true,
    readMaxBytes,
    writeMaxBytes,
    ...(maxTimeoutMs !== undefined && { maxTimeoutMs }),
    ...(shutdownSignal && { shutdownSignal }),
  });
  routes(router);
  return new Map(router.handlers.map((handler) => [handler.requestPath, namesEncodings(inTime(handler))]));
}
