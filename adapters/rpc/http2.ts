import type { Buffer } from "node:buffer";
import http2 from "node:http2";
import type { Socket } from "node:net";
import { duplexOver } from "./duplex.ts";
import { GoawayFilter } from "./goaway-filter.ts";
import type { RpcAnswerer } from "./listener.ts";
import type { Runtime } from "./runtime.ts";
import { MAX_COUNTED_MIB } from "./session-memory.ts";

const MAX_HEADER_LIST_BYTES = 16_384;
const MAX_INVALID_FRAMES = 100;
/**
 * Calls that one connection may cancel at once, and per second on the long run. Over it: the connection is closed. Node's own
 * 1,000 and 33 are soon reached by a back-end, or by a proxy that shares one connection, whose calls run into their deadlines.
 */
const RESET_BURST = 3_000;
const RESETS_PER_SECOND = 500;
/** After its answer, a request that sends nothing for this time is reset. */
const QUIET_MS = 10;
/** After its answer, a request is read on for this time at most. */
const DISCARD_MS = 1_000;

/** HTTP/2 without TLS of its own on sockets that another server accepted. */
export class Http2 {
  readonly #runtime: Runtime;
  readonly #server: http2.Http2Server;
  /** With each session what is called when a caller has shown a good token on it. */
  readonly #sessions = new Map<http2.ServerHttp2Session, () => void>();
  /** That of the connection which is being accepted. */
  #accepting: () => void = ignore;

  constructor(
    listener: RpcAnswerer,
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
      maxSessionMemory: MAX_COUNTED_MIB,
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_PER_SECOND,
    }, (request, response) => {
      const { session } = request.stream;
      endWithAnswer(request.stream);
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

/**
 * Ends the stream of a request that was answered before it was read to its end.
 *
 * Otherwise it would stay open as long as its caller sends, or waits for room to send, and count towards the streams that
 * the caller may have. The rest of the request is read and thrown away, since unread bytes would take up the window of the
 * whole connection. A request that goes quiet, or goes on for too long, is reset; after a whole answer that says that
 * nothing went wrong (RFC 9113 section 8.1).
 */
function endWithAnswer(stream: http2.ServerHttp2Stream): void {
  stream.once("finish", () => {
    if (stream.readableEnded || stream.destroyed) return;
    const reset = (): void => {
      // Deno loses answers of requests that it had read to their end if those are reset, too.
      if (!stream.destroyed && !stream.readableEnded) stream.close(http2.constants.NGHTTP2_NO_ERROR);
    };
    const quiet = setTimeout(reset, QUIET_MS);
    const late = setTimeout(reset, DISCARD_MS);
    stream.once("close", () => {
      clearTimeout(quiet);
      clearTimeout(late);
    });
    stream.removeAllListeners("data");
    stream.on("data", () => quiet.refresh());
    stream.resume();
  });
}

function ignore(): void {}
