import type { Buffer } from "node:buffer";
import http2 from "node:http2";
import type { Socket } from "node:net";
import { duplexOver } from "./duplex.ts";
import { GoawayFilter } from "./goaway-filter.ts";
import type { RpcListener } from "./listener.ts";
import type { Runtime } from "./runtime.ts";

const MAX_HEADER_LIST_BYTES = 16_384;
const MAX_INVALID_FRAMES = 100;

/** HTTP/2 without TLS of its own on sockets that another server accepted. */
export class Http2 {
  readonly #runtime: Runtime;
  readonly #server: http2.Http2Server;
  /** With each session what is called when a caller has shown a good token on it. */
  readonly #sessions = new Map<http2.ServerHttp2Session, () => void>();
  /** That of the connection which is being accepted. */
  #accepting: () => void = ignore;

  constructor(
    listener: RpcListener,
    options: { runtime: Runtime; maxConcurrentStreams: number },
  ) {
    this.#runtime = options.runtime;
    this.#server = http2.createServer({
      settings: {
        maxConcurrentStreams: options.maxConcurrentStreams,
        maxHeaderListSize: MAX_HEADER_LIST_BYTES,
        enablePush: false,
      },
      maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    }, (request, response) => {
      const { session } = request.stream;
      listener(request, response, (session && this.#sessions.get(session as http2.ServerHttp2Session)) ?? ignore);
    });
    this.#server.on("session", (session) => this.#track(session));
    // A peer that breaks the protocol loses its connection; that is all there is to do.
    this.#server.on("sessionError", ignore);
  }

  /** Serves a paused socket that was read up to `first`, which starts with the preface. */
  accept(socket: Socket, first: Buffer, onProof: () => void): void {
    this.#accepting = onProof;
    if (this.#runtime === "node") {
      socket.unshift(first);
      this.#server.emit("connection", socket);
      return;
    }
    const filter = this.#runtime === "deno" ? new GoawayFilter() : undefined;
    this.#server.emit("connection", duplexOver(socket, first, (chunk) => filter?.filter(chunk) ?? chunk));
  }

  /** Tells the peers to open no more streams; each connection ends with its last stream. */
  close(): void {
    for (const session of this.#sessions.keys()) session.close();
  }

  #track(session: http2.ServerHttp2Session): void {
    this.#sessions.set(session, this.#accepting);
    session.on("close", () => this.#sessions.delete(session));
    session.on("error", ignore);
  }
}

function ignore(): void {}
