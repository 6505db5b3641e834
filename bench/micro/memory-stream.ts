import { Duplex } from "node:stream";

/** A connection of a client in memory: it counts what the server writes, and takes it at once. */
export class MemoryStream extends Duplex {
  /** Writes so far, to all of them. */
  static written = 0;
  remoteAddress = "127.0.0.1";

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    MemoryStream.written++;
    done();
  }

  override _writev(_chunks: unknown, done: () => void): void {
    MemoryStream.written++;
    done();
  }
}
