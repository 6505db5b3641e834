import { Buffer } from "node:buffer";
import { connect } from "node:net";

/** A TCP connection of the generator. */
export interface LoadSocket {
  write(bytes: Uint8Array): void;
  /** Reads nothing any more. */
  pause(): void;
  close(): void;
}

/** The events of a {@link LoadSocket}. */
export interface LoadSocketEvents {
  opened(): void;
  /** Bytes came: the first `length` of `chunk`, which is written over afterwards. */
  data(chunk: Uint8Array, length: number): void;
  closed(why: Error): void;
}

const READ_BYTES = 262_144;
const LOST = new Error("the server closed the connection");
/** All sockets read into the same memory: the bytes are counted before the next read. */
const shared = Buffer.alloc(READ_BYTES);

interface BunSocket {
  data: BunLoadSocket;
  write(bytes: Uint8Array): number;
  pause(): void;
  terminate(): void;
}

interface BunRuntime {
  connect(options: object): Promise<unknown>;
}

const { Bun } = globalThis as unknown as { Bun?: BunRuntime };

/** Connects to a port, in the way that costs the generator's runtime the least. */
export function openSocket(host: string, port: number, tls: boolean, events: LoadSocketEvents): LoadSocket {
  if (Bun) return new BunLoadSocket(Bun, host, port, tls, events);
  if (tls) throw new Error("the generator speaks TLS on Bun alone");
  return nodeSocket(host, port, events);
}

function nodeSocket(host: string, port: number, events: LoadSocketEvents): LoadSocket {
  const onread = {
    buffer: shared,
    callback: (length: number, chunk: Uint8Array) => {
      events.data(chunk, length);
      return true;
    },
  };
  const socket = connect({ host, port, noDelay: true, onread });
  let why = LOST;
  socket.on("connect", () => events.opened());
  socket.on("error", (error) => (why = error));
  socket.on("close", () => events.closed(why));
  return {
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    close: () => void socket.destroy(),
  };
}

/** Bun's own sockets: one set of handlers for all of them. */
const handlers = {
  open: (socket: BunSocket) => {
    if (!socket.data.tls) socket.data.opened(socket);
  },
  handshake: (socket: BunSocket) => {
    if (socket.data.tls) socket.data.opened(socket);
  },
  data: (socket: BunSocket, chunk: Uint8Array) => socket.data.events.data(chunk, chunk.byteLength),
  drain: (socket: BunSocket) => socket.data.drain(),
  close: (socket: BunSocket) => socket.data.events.closed(LOST),
  connectError: (socket: BunSocket, error: Error) => socket.data.events.closed(error),
  error: () => {},
};

class BunLoadSocket implements LoadSocket {
  readonly events: LoadSocketEvents;
  readonly tls: boolean;
  #socket: BunSocket | undefined;
  /** Bytes that the operating system did not take yet. */
  #rest: Uint8Array | undefined;

  constructor(bun: BunRuntime, hostname: string, port: number, tls: boolean, events: LoadSocketEvents) {
    this.events = events;
    this.tls = tls;
    const over = tls ? { tls: { rejectUnauthorized: false } } : {};
    bun.connect({ hostname, port, socket: handlers, data: this, ...over }).catch(() => {});
  }

  opened(socket: BunSocket): void {
    this.#socket = socket;
    this.events.opened();
  }

  write(bytes: Uint8Array): void {
    if (this.#rest) this.#rest = Buffer.concat([this.#rest, bytes]);
    else this.#put(bytes);
  }

  #put(bytes: Uint8Array): void {
    const written = Math.max(0, this.#socket?.write(bytes) ?? 0);
    this.#rest = written < bytes.byteLength ? bytes.subarray(written) : undefined;
  }

  drain(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) this.#put(rest);
  }

  pause(): void {
    this.#socket?.pause();
  }

  close(): void {
    this.#socket?.terminate();
  }
}
