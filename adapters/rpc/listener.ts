import { about } from "../../src/base/log/about.ts";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants } from "node:http2";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Logger } from "../../src/base/log/logger.ts";
import { unknownMethod } from "../../src/rpc/grpc-answers.ts";
import { ON_PROOF } from "../../src/rpc/proof.ts";

export type RpcRequest = IncomingMessage | Http2ServerRequest;
export type RpcResponse = ServerResponse | Http2ServerResponse;
/** Answers a request; `onProof` is called when its caller has shown a good token. */
export type RpcAnswerer = (request: RpcRequest, response: RpcResponse, onProof: () => void) => void;

/**
 * Answers the requests of an RPC port, whichever HTTP they came by.
 *
 * Refuses whatever a web page could send: a request with an `Origin` (403), and any method but POST (405).
 */
export function rpcListener(
  handlers: ReadonlyMap<string, UniversalHandler>,
  logger: Logger,
): RpcAnswerer {
  return (request, response, onProof) => {
    // A peer that goes away is not an error of ours; without listeners it would be an uncaught one.
    request.on("error", ignore);
    response.on("error", ignore);
    if (request.headers.origin !== undefined) {
      return refuse(response, 403, "permission_denied", "browsers may not call this port");
    }
    if (request.method !== "POST") return refuse(response, 405, "unimplemented", "calls are POST requests");
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path) ?? unknownMethod(request.headers["content-type"] ?? null, path);
    if (!handler) return refuse(response, 404, "unimplemented", "there is no such call");
    answer(handler, request, response, onProof).catch((error: unknown) => {
      if (ConnectError.from(error).code === Code.Aborted) return;
      logger.error(`meshsocket: could not answer the call ${path}`, error, about("rpc_failed", { path }));
      cut(response);
    });
  };
}

async function answer(
  handler: UniversalHandlerFn,
  request: RpcRequest,
  response: RpcResponse,
  onProof: () => void,
): Promise<void> {
  const call = callOf(request, response, createContextValues().set(ON_PROOF, onProof));
  if (!call) return refuse(response, 400, "invalid_argument", "the request names no host");
  // Unsaid, so that Connect does not refuse bidirectional streams, which node:http carries on our three runtimes.
  await universalResponseToNodeResponse(await handler({ ...call, httpVersion: "" }), response);
}

function callOf(
  request: RpcRequest,
  response: RpcResponse,
  values: ContextValues,
): ReturnType<typeof universalRequestFromNodeRequest> | undefined {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    // A Host header that is missing or makes no URL.
    return undefined;
  }
}

function refuse(response: RpcResponse, status: number, code: string, message: string): void {
  const header: Record<string, string> = { "content-type": "application/json" };
  // The rest of the request is not wanted.
  if (!("stream" in response)) header["connection"] = "close";
  (response as ServerResponse).writeHead(status, header);
  (response as ServerResponse).end(JSON.stringify({ code, message }));
}

function cut(response: RpcResponse): void {
  if ("stream" in response) response.stream?.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}

function ignore(): void {}
