import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { type DialStream, LINE_PATH, LINE_PROTOCOL, REASON_HEADER } from "../../src/link/byte-stream.ts";
import { MeshError, type MeshErrorCode } from "../../src/base/error.ts";
import { fromRpcError, refusedToken } from "../../src/rpc/error.ts";
import { byteStream } from "./byte-socket.ts";

/** How to dial with TLS: whom to trust, and what to show to who asks. */
export interface DialTls {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/** Opens streams to the RPC port of a node, by an upgrade of HTTP/1.1. */
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
      const giveUp = (): void => void request.destroy();
      const settled = (): void => signal.removeEventListener("abort", giveUp);
      signal.addEventListener("abort", giveUp, { once: true });
      request.on("upgrade", (_response, socket, head) => {
        settled();
        resolve(byteStream(socket, receiver));
        if (head.byteLength > 0) receiver.data(Uint8Array.from(head));
      });
      request.on("response", (response) => {
        settled();
        reject(refusal(host, response));
        request.destroy();
      });
      request.on("error", (cause) => {
        settled();
        reject(fromRpcError(cause, { host }));
      });
      if (signal.aborted) giveUp();
      else request.end();
    });
}

/** Why there is no stream. A status that names neither a refused token nor a passing failure: the node does not know such streams. */
function refusal(host: string, { statusCode = 0, headers }: IncomingMessage): MeshError {
  const reason = headers[REASON_HEADER];
  const text = `${host} answered HTTP ${statusCode}`;
  if (statusCode === 401) return refusedToken(host, typeof reason === "string" ? reason : text);
  return new MeshError(codeOf(statusCode), text);
}

function codeOf(status: number): MeshErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "permission_denied";
  return status === 408 || status === 429 || status === 500 || status > 501 ? "unknown" : "unimplemented";
}
