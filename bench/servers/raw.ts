/**
 * Native control: the most that the runtime's sockets can do. A raw TCP server that knows just enough of WebSocket: all that
 * a tick sends to all is framed once, put together once, and written once to each socket. No limits, no close, no order
 * between echo and broadcast: a bound, not a design.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { ready } from "./control.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const clients = new Set<Socket>();
let frames: Buffer[] = [];

function frame(payload: Buffer): Buffer {
  const length = payload.byteLength;
  const head = length < 126 ? [0x81, length] : [0x81, 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), payload]);
}

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
  const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? "";
  const accept = createHash("sha1").update(key + GUID).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
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
