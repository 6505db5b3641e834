import type { Socket } from "node:net";
import type { ByteStream, ByteStreamReceiver } from "../../src/link/byte-stream.ts";

/**
 * A connected socket as a stream of bytes; nothing may have been read from it that the receiver is to get.
 *
 * `maxBytes` is the longest message that the other end takes, if it said so.
 */
export function byteStream(socket: Socket, receiver: ByteStreamReceiver, maxBytes?: number): ByteStream {
  socket.setNoDelay(true);
  socket.setTimeout(0);
  // "close" follows and tells as much.
  socket.on("error", () => {});
  // As plain bytes: a part of a Buffer is a Buffer, and an application would get it as such.
  socket.on("data", (chunk) => receiver.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  socket.on("end", () => socket.destroy());
  socket.on("close", () => receiver.closed());
  return {
    maxBytes,
    get bufferedAmount() {
      return socket.writableLength;
    },
    write(bytes) {
      if (socket.writable) socket.write(bytes);
    },
    close: () => void socket.destroy(),
  };
}
