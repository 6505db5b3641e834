import http from "node:http";
import https from "node:https";
import { type DialStream, LINE_PATH, LINE_PROTOCOL } from "../../src/link/byte-stream.ts";
import { MeshError, type MeshErrorCode } from "../../src/base/error.ts";
import { fromRpcError } from "../../src/rpc/error.ts";
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
        reject(refusal(response.statusCode ?? 0));
        request.destroy();
      });
      request.on("error", (cause) => {
        settled();
        reject(fromRpcError(cause));
      });
      if (signal.aborted) giveUp();
      else request.end();
    });
}

/** Why there is no stream: everything but a refused token and a failure of the moment means that such streams are not known there. */
function refusal(status: number): MeshError {
  return new MeshError(codeOf(status), `the node answered HTTP ${status}`);
}

function codeOf(status: number): MeshErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "permission_denied";
  return status === 408 || status === 429 || status === 500 || status > 501 ? "unknown" : "unimplemented";
}
