import type { Buffer } from "node:buffer";
import http from "node:http";
import type { Socket } from "node:net";
import type { RpcAnswerer } from "./listener.ts";

const MAX_HEADER_BYTES = 16_384;
/** Longer than the callers' fetch keeps an unused connection (Deno: 90 s), so that none is cut just as it is used again. */
const KEEP_ALIVE_MS = 120_000;

/** After its answer, a request is read on for this time at most. */
const DISCARD_MS = 1_000;

/** The state of an HTTP/1.1 connection. */
interface Connection {
  /** Called when a caller has shown a good token on it. */
  readonly onProof: () => void;
  /** Requests without a whole answer. */
  open: number;
}

/** HTTP/1.1 on sockets that another server accepted. */
export class Http1 {
  readonly #server: http.Server;
  readonly #connections = new Map<Socket, Connection>();
  #closing = false;

  constructor(listener: RpcAnswerer) {
    this.#server = http.createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A stream is one request that may last for days.
      requestTimeout: 0,
    });
    // Deno's node:http closes a connection after each answer unless its server listens.
    Object.defineProperty(this.#server, "listening", { get: () => true });
    this.#server.on("request", (request, response) => {
      const connection = this.#connections.get(request.socket);
      if (!connection) {
        request.destroy();
        return;
      }
      this.#track(connection, request, response);
      listener(request, response, connection.onProof);
    });
  }

  /** Serves a paused socket that was read up to `first`. */
  accept(socket: Socket, first: Buffer, onProof: () => void): void {
    this.#connections.set(socket, { onProof, open: 0 });
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

  #track(connection: Connection, request: http.IncomingMessage, response: http.ServerResponse): void {
    const { socket } = request;
    connection.open++;
    response.once("close", () => {
      connection.open--;
      if (this.#closing && connection.open === 0) socket.end(() => socket.destroy());
      else if (!request.complete && !socket.destroyed) discardRest(request, socket);
    });
  }
}

/** Reads on for a moment after the answer, and cuts the connection of a caller that still has not sent its whole request. */
function discardRest(request: http.IncomingMessage, socket: Socket): void {
  const stop = (): void => clearTimeout(timer);
  const timer = setTimeout(() => {
    socket.off("close", stop);
    if (!request.complete) socket.destroy();
  }, DISCARD_MS);
  socket.once("close", stop);
  request.resume();
}
