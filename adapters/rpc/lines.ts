import { Buffer } from "node:buffer";
import http, { STATUS_CODES } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import {
  type ByteStream,
  type ByteStreamReceiver,
  LINE_MAX_BYTES,
  LINE_PATH,
  LINE_PROTOCOL,
  REASON_HEADER,
} from "../../src/link/byte-stream.ts";
import { errorCode } from "../../src/base/error.ts";
import { byteStream } from "./byte-socket.ts";

/** The first bytes of a connection that asks for a line. */
export const LINE_REQUEST: Buffer = Buffer.from(`GET ${LINE_PATH} HTTP/1.1\r\n`);

/** The receiving end of a line whose stream is to be given to it. */
export interface IncomingLine extends ByteStreamReceiver {
  /** Bytes of the longest message that it takes. */
  readonly maxBytes: number;
  open(stream: ByteStream): void;
}

/** Lets a caller with this `authorization` open a line; rejects with why not. */
export type AcceptLine = (authorization: string | null) => Promise<IncomingLine>;

const MAX_HEADER_BYTES = 16_384;

/**
 * The lines of other nodes, on sockets that another server accepted: streams by an upgrade of HTTP/1.1.
 *
 * An HTTP server of its own, since one that takes upgrades takes those of any protocol from its other callers.
 */
export class Lines {
  readonly #server: http.Server;
  readonly #open: AcceptLine;
  /** With each what is called when its caller has shown a good token. */
  readonly #sockets = new Map<Socket, () => void>();

  constructor(open: AcceptLine) {
    this.#open = open;
    this.#server = http.createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (_request, response) => {
      response.writeHead(426, { connection: "close, Upgrade", upgrade: LINE_PROTOCOL }).end();
    });
    this.#server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket as Socket, head));
  }

  /** Serves a paused socket that was read up to `first`. */
  accept(socket: Socket, first: Buffer, onProof: () => void): void {
    this.#sockets.set(socket, onProof);
    socket.on("close", () => this.#sockets.delete(socket));
    this.#server.emit("connection", socket);
    // As in Http1.accept.
    socket.emit("data", first);
    socket.resume();
  }

  close(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  async #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { headers } = request;
    if (headers.origin !== undefined) return refuse(socket, 403);
    if (headers.upgrade?.toLowerCase() !== LINE_PROTOCOL) return refuse(socket, 426);
    // A caller that sends before the 101 was answered does not speak the protocol.
    if (head.byteLength > 0) return refuse(socket, 400);
    let line: IncomingLine;
    try {
      line = await this.#open(headers.authorization ?? null);
    } catch (error) {
      const code = errorCode(error);
      if (code === "unauthenticated") return refuse(socket, 401, (error as Error).message);
      return refuse(socket, code === "permission_denied" ? 403 : 503);
    }
    if (socket.destroyed) return line.closed();
    this.#sockets.get(socket)?.();
    socket.write(switching(line.maxBytes));
    line.open(byteStream(socket, line));
    socket.resume();
  }
}

function switching(maxBytes: number): string {
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${LINE_PROTOCOL}\r\n` +
    `${LINE_MAX_BYTES}: ${maxBytes}\r\n\r\n`;
}

/** `reason` is a text of our own; the caller shows it to its operator. */
function refuse(socket: Socket, status: number, reason = STATUS_CODES[status] ?? ""): void {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    ...(status === 426 ? [`Upgrade: ${LINE_PROTOCOL}`] : []),
    `${REASON_HEADER}: ${reason.replace(/[^\x20-\x7e]/g, "?")}`,
    "Content-Length: 0",
    "",
    "",
  ];
  socket.end(head.join("\r\n"), () => socket.destroy());
}
