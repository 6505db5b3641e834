import type { Interceptor, Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { fromReadableStream, toReadableStream } from "./body.ts";
import type { Fetch } from "./fetch.ts";

/** Options of {@link createFetchTransport}. */
export interface FetchTransportOptions {
  /** Where the services are: `http://host:port`, with a path when they are mounted under one. */
  baseUrl: string;
  /** Default: the runtime's own, looked up at each call. */
  fetch?: Fetch;
  /** Bytes of one answer. A larger one rejects. */
  readMaxBytes: number;
  /** Bytes of one request. A larger one rejects `resource_exhausted` and is not sent. */
  writeMaxBytes: number;
  /** Run around each call. */
  interceptors?: Interceptor[];
}

/** A RequestInit as runtimes with streaming request bodies take it; the DOM's types lack the option. */
interface StreamingRequestInit extends RequestInit {
  duplex?: "half";
}

/**
 * A Connect transport over `fetch`: binary messages, no compression, no redirects.
 *
 * Streams go both ways at once where the runtime sends a request body while it reads the answer (Node, Bun, Deno, workerd).
 * A line that is silent for 300 s is cut by Node's `fetch`: send signs of life.
 */
export function createFetchTransport(options: FetchTransportOptions): Transport {
  return createTransport({
    httpClient: fetchClient(options.fetch ?? ((url, init) => globalThis.fetch(url, init))),
    baseUrl: options.baseUrl,
    useBinaryFormat: true,
    interceptors: options.interceptors ?? [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: options.readMaxBytes,
    writeMaxBytes: options.writeMaxBytes,
  });
}

function fetchClient(fetch: Fetch): UniversalClientFn {
  return async (request) => {
    const init: StreamingRequestInit = {
      method: request.method,
      headers: request.header,
      // The token is for this host: following a redirect would hand it to another.
      redirect: "manual",
    };
    if (request.body) {
      // Always a stream, also for a single message: what fetch holds whole it may send twice. Deno 2.9 does, without a word,
      // when a connection that it used before breaks after the request.
      init.body = toReadableStream(request.body);
      init.duplex = "half";
    }
    if (request.signal) init.signal = request.signal;
    const response = await fetch(request.url, init);
    return {
      status: response.status,
      header: response.headers,
      body: fromReadableStream(response.body, request.signal),
      trailer: new Headers(),
    };
  };
}
