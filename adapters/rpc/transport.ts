import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { ClientHttp2Stream } from "node:http2";
import type { DialStream } from "../../src/link/byte-stream.ts";
import { MeshError } from "../../src/base/error.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import type { Fetch } from "../../src/rpc/fetch.ts";
import { checkHost } from "../../src/base/host.ts";
import { dialStream } from "./dial.ts";
import type { Runtime } from "./runtime.ts";
import { MAX_COUNTED_MIB } from "./session-memory.ts";

/** Options of {@link transportTo}. */
export interface TransportOptions {
  runtime: Runtime;
  /** Dials with TLS; `ca` in PEM replaces the authorities that the machine trusts, `cert` and `key` are shown to who asks. */
  tls?: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
  /** Bytes of one answer. A larger one rejects. */
  readMaxBytes: number;
  /** Bytes of one message to send. A larger one rejects and is not sent. */
  writeMaxBytes: number;
  /** Milliseconds of quiet after which an HTTP/2 connection with open calls, or before the next call, must give a sign of life. Default 5,000. */
  pingIntervalMs?: number;
  /** Milliseconds that it may take to answer. Default 2,000. Over it: its calls end with an unknown fate. */
  pingTimeoutMs?: number;
}

/** A transport to one node that holds a connection. */
export interface ClosableTransport extends Transport {
  /** Opens a stream to the node. */
  dial: DialStream;
  /** Ends the calls in flight and the connection; later calls reject `unavailable`. */
  close(): void;
}

/**
 * The way to the RPC port of one node: HTTP/2 on Node and Bun, and on Deno, whose HTTP/2 client is not sound, its `fetch`.
 *
 * It dials at the first call, and again after the connection broke. Messages are binary and not compressed.
 *
 * @throws TypeError `invalid_argument` when `host` is not `host:port`.
 */
export function transportTo(host: string, options: TransportOptions): ClosableTransport {
  checkHost(host);
  const baseUrl = `${options.tls ? "https" : "http"}://${host}`;
  const transport = options.runtime === "deno" ? overFetch(baseUrl, options) : overHttp2(baseUrl, options);
  return Object.assign(transport, { dial: dialStream(host, options.tls) });
}

type Closable = Omit<ClosableTransport, "dial">;

/** For calls that come too late. */
function closedError(): MeshError {
  return new MeshError("unavailable", "the transport was closed");
}

/** For calls in flight. */
function cutError(): MeshError {
  return new MeshError("unknown", "the transport was closed after the call may have been sent");
}

function overHttp2(baseUrl: string, options: TransportOptions): Closable {
  const { tls, readMaxBytes, writeMaxBytes, pingIntervalMs = 5_000, pingTimeoutMs = 2_000 } = options;
  const sessionManager = new Http2Line(
    baseUrl,
    // Not pingIdleConnection: connect-node 2.2.0 then pings a session that is gone, and the process dies of an uncaught
    // error. A connection without calls is tested before the next one instead.
    { pingIntervalMs, pingTimeoutMs },
    {
      settings: { enablePush: false },
      maxReservedRemoteStreams: 0,
      maxSessionMemory: MAX_COUNTED_MIB,
      ...(tls?.ca !== undefined && { ca: tls.ca }),
      ...ownCertificate(tls),
    },
  );
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "2",
    sessionManager,
    useBinaryFormat: true,
    acceptCompression: [],
    readMaxBytes,
    writeMaxBytes,
  });
  return Object.assign(transport, { close: () => sessionManager.close() });
}

/** Connect's manager of one HTTP/2 connection, with an end to it. */
class Http2Line extends Http2SessionManager {
  readonly #heard = new WeakSet<NonNullable<ClientHttp2Stream["session"]>>();
  #closed = false;

  override async request(...call: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    if (this.#closed) throw closedError();
    const [method, path, headers, options] = call;
    // Node 22 and 24 leave out the brackets of an IPv6 address.
    const { host } = new URL(this.authority);
    const stream = await super.request(method, path, { ...headers, ":authority": host }, options);
    const { session } = stream;
    if (session && !this.#heard.has(session)) {
      this.#heard.add(session);
      // The manager stops listening at the first error; a second one would be uncaught.
      session.on("error", () => {});
    }
    return stream;
  }

  close(): void {
    this.#closed = true;
    this.abort(cutError());
  }
}

function ownCertificate(tls: TransportOptions["tls"]): { cert: string; key: string } | undefined {
  return tls?.cert !== undefined && tls.key !== undefined ? { cert: tls.cert, key: tls.key } : undefined;
}

/** The part of Deno's own HTTP client that is needed here. */
interface DenoHttpClients {
  createHttpClient(options: { caCerts?: string[]; http2: boolean; cert?: string; key?: string }): { close(): void };
}

function overFetch(baseUrl: string, options: TransportOptions): Closable {
  const { readMaxBytes, writeMaxBytes, tls } = options;
  const { Deno: deno } = globalThis as { Deno?: DenoHttpClients };
  // A pool of its own, so that there is something to close.
  const client = deno?.createHttpClient({
    http2: false,
    ...(tls?.ca !== undefined && { caCerts: [tls.ca] }),
    ...ownCertificate(tls),
  });
  const closed = new AbortController();
  const fetch: Fetch = async (url, init) => {
    if (closed.signal.aborted) throw closedError();
    const signal = init.signal ? AbortSignal.any([init.signal, closed.signal]) : closed.signal;
    return await globalThis.fetch(url, { ...init, signal, client } as RequestInit);
  };
  const transport = createFetchTransport({ baseUrl, fetch, readMaxBytes, writeMaxBytes });
  return Object.assign(transport, {
    close() {
      if (closed.signal.aborted) return;
      closed.abort(cutError());
      client?.close();
    },
  });
}
