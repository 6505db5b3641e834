import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * A socket as a plain stream, with `first` before what the socket gives next, and each chunk passed through `filter`.
 *
 * For the node:http2 of Bun, which loses bytes that were put back on a socket, and of Deno, which needs the filter.
 */
export function duplexOver(socket: Socket, first: Buffer, filter: (chunk: Buffer) => Buffer): Duplex {
  const duplex = new Duplex({
    allowHalfOpen: false,
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      if (socket.destroyed) done(new Error("the connection is closed"));
      else socket.write(chunk, (error) => done(error));
    },
    final(done) {
      if (socket.destroyed) done();
      else socket.end(() => done());
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  const feed = (chunk: Buffer): void => {
    const bytes = filter(chunk);
    if (bytes.length > 0 && !duplex.push(bytes)) socket.pause();
  };
  socket.on("data", feed);
  socket.on("end", () => duplex.push(null));
  socket.on("error", (error) => duplex.destroy(error));
  socket.on("close", () => duplex.destroy());
  // node:http2 destroys the stream with the session's errors, which the session reports already.
  duplex.on("error", () => {});
  feed(first);
  return duplex;
}
