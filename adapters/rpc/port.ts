import { Code, ConnectError } from "@connectrpc/connect";
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import tls from "node:tls";
import { consoleLogger } from "../../src/base/log/logger.ts";
import type { Logger } from "../../src/base/log/logger.ts";
import { rpcHandlers } from "../../src/rpc/fetch-handler.ts";
import type { RpcRoutes } from "../../src/rpc/fetch-handler.ts";
import type { RpcServerOptions } from "../../src/rpc/server-options.ts";
import type { TlsOptions } from "../../src/hub/serve-options.ts";
import { keepListening } from "../shared/keep-listening.ts";
import { listenError } from "../shared/listen-error.ts";
import { opened } from "../shared/opened.ts";
import { Http1 } from "./http1.ts";
import { Http2 } from "./http2.ts";
import { type AcceptLine, Lines } from "./lines.ts";
import { rpcListener } from "./listener.ts";
import type { Runtime } from "./runtime.ts";
import { sniff } from "./sniff.ts";

const KEEP_ALIVE_MS = 30_000;
const DEFAULT_PROOF_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_CONNECTIONS = 4_096;

/** Options of {@link openRpcPort}. */
export interface RpcPortOptions extends Omit<RpcServerOptions, "shutdownSignal"> {
  routes: RpcRoutes;
  /** Takes the lines of other nodes. Default: none are taken. */
  openLine?: AcceptLine | undefined;
  runtime: Runtime;
  /** The address to listen on. */
  hostname: string;
  /** 0 is any free port. */
  port: number;
  /** With `clientCa`, in PEM, only callers with a certificate of that authority are let in. */
  tls?: (TlsOptions & { clientCa?: string | undefined }) | undefined;
  logger?: Logger | undefined;
  /** Milliseconds in which a new connection must have made a call that its token opens, TLS included. Default 10,000. Over it: cut. */
  proofTimeoutMs?: number;
  /** Milliseconds that calls in flight get to end when the port closes. Default 1,000. Over it: cut. */
  closeTimeoutMs?: number;
  /** Calls at a time on one HTTP/2 connection. Default 128. Over it: the caller waits, or is refused. */
  maxConcurrentStreams?: number;
  /** Connections at a time. Default 4,096. One more: cut. */
  maxConnections?: number;
}

/** An open RPC port. */
export interface RpcPort {
  readonly port: number;
  readonly hostname: string;
  /** Stops listening, aborts the signals of the calls in flight, lets them end, and cuts what is left. */
  close(): Promise<void>;
}

/**
 * Opens one port that speaks cleartext HTTP/2 and HTTP/1.1, or with `tls` both over TLS: gRPC, gRPC-Web and Connect,
 * calls of every kind.
 *
 * Messages are not compressed. A request with an `Origin` header is refused with 403, another method than POST with 405.
 *
 * @throws MeshError `unavailable` when the address cannot be listened on.
 */
export async function openRpcPort(options: RpcPortOptions): Promise<RpcPort> {
  const connections = new Connections(options);
  const server = options.tls
    ? tlsServer(options.tls, connections, options.proofTimeoutMs ?? DEFAULT_PROOF_TIMEOUT_MS)
    : net.createServer((socket) => connections.accept(socket));
  // Those in the middle of their TLS handshake count here, and only here.
  server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
  await listen(server, options.hostname, options.port);
  const { port, address } = server.address() as AddressInfo;
  const stopKeeping = keepListening(server, { host: options.hostname, port }, options.logger ?? consoleLogger);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    stopKeeping();
    await Promise.all([stopListening(server), connections.close()]);
  };
  return { port, hostname: address, close: () => (closed ??= close()) };
}

/** The connections of a port, from the first byte to the last. */
class Connections {
  readonly #sockets = new Set<Socket>();
  /** Those that have not said yet what they speak; Deno's fetch keeps one in reserve. */
  readonly #silent = new Set<Socket>();
  readonly #shutdown = new AbortController();
  readonly #http1: Http1;
  readonly #http2: Http2;
  readonly #lines: Lines | undefined;
  readonly #maxConnections: number;
  readonly #proofTimeoutMs: number;
  readonly #closeTimeoutMs: number;

  constructor(options: RpcPortOptions) {
    const handlers = rpcHandlers(options.routes, { ...options, grpc: true, shutdownSignal: this.#shutdown.signal });
    const listener = rpcListener(handlers, options.logger ?? consoleLogger);
    this.#http1 = new Http1(listener);
    this.#http2 = new Http2(listener, {
      runtime: options.runtime,
      maxConcurrentStreams: options.maxConcurrentStreams ?? 128,
    });
    this.#lines = options.openLine && new Lines(options.openLine);
    this.#maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    this.#proofTimeoutMs = options.proofTimeoutMs ?? DEFAULT_PROOF_TIMEOUT_MS;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 1_000;
  }

  accept(socket: Socket): void {
    socket.on("error", ignore);
    if (this.#sockets.size >= this.#maxConnections || this.#shutdown.signal.aborted) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#silent.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#proofTimeoutMs);
    socket.on("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#silent.delete(socket);
    });
    socket.setNoDelay(true);
    // A peer that lost its power says nothing: only the operating system finds out.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    sniff(socket, (spoken, first) => {
      this.#silent.delete(socket);
      const onProof = (): void => clearTimeout(timer);
      if (spoken === "http2") this.#http2.accept(socket, first, onProof);
      else if (spoken === "line" && this.#lines) this.#lines.accept(socket, first, onProof);
      else this.#http1.accept(socket, first, onProof);
    });
  }

  async close(): Promise<void> {
    // Not `unavailable`, which would say that the calls in flight had no effect.
    this.#shutdown.abort(new ConnectError("the node is closing", Code.Aborted));
    for (const socket of this.#silent) socket.destroy();
    this.#http1.close();
    this.#http2.close();
    this.#lines?.close();
    const gone = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    const timer = setTimeout(() => this.#sockets.forEach((socket) => socket.destroy()), this.#closeTimeoutMs);
    await Promise.all(gone);
    clearTimeout(timer);
  }
}

function tlsServer(
  { cert, key, clientCa }: TlsOptions & { clientCa?: string | undefined },
  connections: Connections,
  handshakeTimeout: number,
): net.Server {
  const mutual = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  const server = tls.createServer(
    { cert, key, ...mutual, handshakeTimeout, ALPNProtocols: ["h2", "http/1.1"] },
    (socket) => connections.accept(socket),
  );
  // Before the handshake is done a connection is not yet ours to listen to.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

async function listen(server: net.Server, hostname: string, port: number): Promise<void> {
  // Exclusive: the workers of node:cluster would share one port, and each of them needs its own.
  await opened(server, { host: hostname, port, exclusive: true }).catch((error: unknown) => {
    throw listenError(error, hostname, port);
  });
}

async function stopListening(server: net.Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function ignore(): void {}
