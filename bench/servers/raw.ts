/**
 * Native control: the most that the runtime's sockets can do. A raw TCP server that knows just enough of WebSocket: all that
 * a tick sends to all is framed once, put together once, and written once to each socket. No limits, no close, no order
 * between echo and broadcast: a bound, not a design.
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { ready } from "./control.ts";
import { frame, switching } from "./raw-words.ts";

const clients = new Set<Socket>();
let frames: Buffer[] = [];

function broadcast(payload: Buffer): void {
  frames.push(frame(payload));
  if (frames.length > 1) return;
  setImmediate(() => {
    const bytes = Buffer.concat(frames);
    frames = [];
    for (const client of clients) client.write(bytes);
  });
}

/** Whole frames of a client, whose mask is all zeros; returns the rest. */
function take(socket: Socket, bytes: Buffer): Buffer {
  let at = 0;
  const echoes: Buffer[] = [];
  for (;;) {
    if (bytes.byteLength - at < 2) break;
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const head = short < 126 ? 6 : 8;
    if (bytes.byteLength - at < head) break;
    const length = short < 126 ? short : bytes.readUInt16BE(at + 2);
    if (bytes.byteLength - at < head + length) break;
    const payload = bytes.subarray(at + head, at + head + length);
    at += head + length;
    if (payload[0] === 0x65) echoes.push(frame(payload));
    else broadcast(payload);
  }
  if (echoes.length > 0) {
    socket.write(
      echoes.length === 1 ? (echoes[0] as Buffer) : Buffer.concat(echoes),
    );
  }
  return bytes.subarray(at);
}

function upgrade(socket: Socket, head: string): void {
  socket.write(switching(head));
  clients.add(socket);
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0);
  let open = false;
  socket.on("error", () => socket.destroy());
  socket.on("close", () => clients.delete(socket));
  socket.on("data", (chunk: Buffer) => {
    rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (open) {
      rest = take(socket, rest);
      return;
    }
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return;
    open = true;
    upgrade(socket, rest.subarray(0, end).toString("latin1"));
    rest = take(socket, rest.subarray(end + 4));
  });
});
server.listen(
  { port: 0, host: "127.0.0.1", backlog: 4_096 },
  () => ready((server.address() as AddressInfo).port),
);
