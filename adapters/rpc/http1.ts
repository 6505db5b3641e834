import type { Buffer } from "node:buffer";
import http from "node:http";
import type { Socket } from "node:net";

const MAX_HEADER_BYTES = 16_384;
/** Longer than the callers' fetch keeps an unused connection (Deno: 90 s), so that none is cut just as it is used again. */
const KEEP_ALIVE_MS = 120_000;

/** What an HTTP/1.1 connection does now. */
interface Connection {
  /** Called at its first request. */
  begin: (() => void) | undefined;
  /** Requests without a whole answer. */
  open: number;
}

/** HTTP/1.1 on sockets that another server accepted. */
export class Http1 {
  readonly #server: http.Server;
  readonly #connections = new Map<Socket, Connection>();
  #closing = false;

  constructor(listener: http.RequestListener) {
    this.#server = http.createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A stream is one request that may last for days.
      requestTimeout: 0,
    });
    // Deno's node:http closes a connection after each answer unless its server listens.
    Object.defineProperty(this.#server, "listening", { get: () => true });
    this.#server.on("request", (request, response) => {
      this.#track(request.socket, response);
      listener(request, response);
    });
  }

  /** Serves a paused socket that was read up to `first`; `begin` is called when its first request is there. */
  accept(socket: Socket, first: Buffer, begin: () => void): void {
    this.#connections.set(socket, { begin, open: 0 });
    socket.on("close", () => this.#connections.delete(socket));
    this.#server.emit("connection", socket);
    // Not unshift(): on Deno what comes next may then reach the parser before it.
    socket.emit("data", first);
    socket.resume();
  }

  /** Cuts the connections without a request now, and the others after their answer. */
  close(): void {
    this.#closing = true;
    for (const [socket, { open }] of this.#connections) if (open === 0) socket.destroy();
  }

  #track(socket: Socket, response: http.ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (!connection) return;
    connection.begin?.();
    connection.begin = undefined;
    connection.open++;
    response.once("close", () => {
      connection.open--;
      if (this.#closing && connection.open === 0) socket.end(() => socket.destroy());
    });
  }
}
