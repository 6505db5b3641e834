import type { Socket } from "node:net";
import type { ByteStream, ByteStreamReceiver } from "../../src/link/byte-stream.ts";

/** A connected socket as a stream of bytes; nothing may have been read from it that the receiver is to get. */
export function byteStream(socket: Socket, receiver: ByteStreamReceiver): ByteStream {
  socket.setNoDelay(true);
  socket.setTimeout(0);
  // What it says is said again by "close".
  socket.on("error", () => {});
  // As plain bytes: what is cut out of a Buffer is a Buffer, and an application gets it as such.
  socket.on("data", (chunk) => receiver.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  socket.on("end", () => socket.destroy());
  socket.on("close", () => receiver.closed());
  return {
    get bufferedAmount() {
      return socket.writableLength;
    },
    write(bytes) {
      if (socket.writable) socket.write(bytes);
    },
    close: () => void socket.destroy(),
  };
}
