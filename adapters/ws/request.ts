import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { isHost } from "../shared/upgrade-options.ts";

/**
 * A `node:http` request as a web Request, its body streamed.
 * Throws a TypeError for a method, a host or a path that a Request cannot have.
 */
export function toRequest(incoming: IncomingMessage, signal?: AbortSignal): Request {
  const { method = "GET", rawHeaders } = incoming;
  // As pairs: a Headers would be copied.
  const headers: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.push([rawHeaders[index] as string, rawHeaders[index + 1] as string]);
  }
  const init: RequestInit & { duplex?: "half" } = { method, headers };
  if (signal) init.signal = signal;
  if (method !== "GET" && method !== "HEAD") {
    init.body = Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>;
    init.duplex = "half";
  }
  return new Request(urlOf(incoming), init);
}

function urlOf({ url = "/", headers, socket }: IncomingMessage): string {
  // A target that is a whole URL asks for a proxy (RFC 9112 section 3.2.2), and would name a host past the Host header.
  if (!url.startsWith("/")) throw new TypeError("the request's target is not a path");
  const host = headers.host ?? "localhost";
  if (!isHost(host)) throw new TypeError("the Host header is not a host");
  const scheme = "encrypted" in socket && socket.encrypted ? "https" : "http";
  return `${scheme}://${host}${url}`;
}
