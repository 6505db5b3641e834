import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";
import {
  type DialStream,
  LINE_MAX_BYTES,
  LINE_PATH,
  LINE_PROTOCOL,
  REASON_HEADER,
} from "../../src/link/byte-stream.ts";
import { MeshError } from "../../src/base/error.ts";
import { fromRpcError, refusedToken } from "../../src/rpc/error.ts";
import { byteStream } from "./byte-socket.ts";

/**
 * Opens streams to the RPC port of a node, by an upgrade of HTTP/1.1.
 *
 * Only a node itself refuses a token: an answer without its mark, or a connection that ends without an answer, is a proxy's
 * or another server's, and means that no stream leads to the node.
 */
export function dialStream(host: string, tls: DialTls | undefined): DialStream {
  const { hostname, port } = new URL(`http://${host}`);
  const target = {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port || "80",
    path: LINE_PATH,
    agent: false as const,
    ...(tls?.ca !== undefined && { ca: tls.ca }),
    ...(tls?.cert !== undefined && { cert: tls.cert }),
    ...(tls?.key !== undefined && { key: tls.key }),
  };
  return (receiver, token, signal) =>
    new Promise((resolve, reject) => {
      const headers = {
        host,
        connection: "Upgrade",
        upgrade: LINE_PROTOCOL,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const request = (tls ? https : http).request({ ...target, headers });
      const reached = whetherReached(request, tls !== undefined);
      const giveUp = (): void => void request.destroy();
      const settled = (): void => signal.removeEventListener("abort", giveUp);
      signal.addEventListener("abort", giveUp, { once: true });
      request.on("upgrade", (response, socket, head) => {
        settled();
        resolve(byteStream(socket, receiver, maxBytesOf(response.headers)));
        if (head.byteLength > 0) receiver.data(Uint8Array.from(head));
      });
      request.on("response", (response) => {
        settled();
        reject(refusal(host, response));
        request.destroy();
      });
      request.on("error", (cause) => {
        settled();
        const ownDoing = signal.aborted || !reached();
        reject(ownDoing ? fromRpcError(cause, { host }) : notThere(host, "ended the connection", cause));
      });
      if (signal.aborted) giveUp();
      else request.end();
    });
}

/** How to dial with TLS: the authority to trust, and the certificate to show to a node that asks for one. */
export interface DialTls {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/** Tells whether the request got as far as an open connection. */
function whetherReached(request: ClientRequest, tls: boolean): () => boolean {
  let reached = false;
  request.once("socket", (socket) => socket.once(tls ? "secureConnect" : "connect", () => (reached = true)));
  return () => reached;
}

function refusal(host: string, { statusCode = 0, headers }: IncomingMessage): MeshError {
  const reason = headers[REASON_HEADER];
  if (typeof reason !== "string") return notThere(host, `answered HTTP ${statusCode}`);
  if (statusCode === 401) return refusedToken(host, reason);
  const text = `${host} refused a line: HTTP ${statusCode}, ${reason}`;
  if (statusCode === 403) return new MeshError("permission_denied", text);
  return statusCode >= 500 ? new MeshError("unknown", text) : new MeshError("unimplemented", text);
}

function notThere(host: string, did: string, cause?: unknown): MeshError {
  return new MeshError("unimplemented", `could not open a line: ${host} ${did}`, { cause });
}

function maxBytesOf(headers: IncomingHttpHeaders): number | undefined {
  const bytes = Number(headers[LINE_MAX_BYTES]);
  return Number.isInteger(bytes) && bytes > 0 ? bytes : undefined;
}
