/**
 * Native control of an emit from node to node: raw TCP on each of its legs, client to node, node to node, node to client. One of two
 * such servers; the second connects to the first. A message names its client, as `@ID:…`. No storage, no limits, no answer: a bound.
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { ready, setup } from "./control.ts";
import { frame, switching } from "./raw-words.ts";

const clients = new Map<string, Socket>();
let otherNode: Socket | undefined;

/** Calls `take` for each whole message, whose length and head `headOf` reads; returns the rest. */
function split(
  bytes: Buffer,
  headOf: (bytes: Buffer, at: number) => [number, number],
  take: (payload: Buffer) => void,
) {
  let at = 0;
  for (;;) {
    if (bytes.byteLength - at < 8) break;
    const [head, length] = headOf(bytes, at);
    if (bytes.byteLength - at < head + length) break;
    take(bytes.subarray(at + head, at + head + length));
    at += head + length;
  }
  return bytes.subarray(at);
}

/** A client's frame, whose mask is all zeros. */
function frameHead(bytes: Buffer, at: number): [number, number] {
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  return short < 126 ? [6, short] : [8, bytes.readUInt16BE(at + 2)];
}

function nodeHead(bytes: Buffer, at: number): [number, number] {
  return [4, bytes.readUInt32BE(at)];
}

function route(payload: Buffer): void {
  const client = clients.get(payload.toString("latin1", 1, payload.indexOf(0x3a)));
  if (client) client.write(frame(payload));
  else {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(payload.byteLength);
    otherNode?.write(Buffer.concat([head, payload]));
  }
}

/** Hands what a socket sends to `read`, with what `read` left of it before. */
function follow(socket: Socket, read: (bytes: Buffer) => Buffer): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => (rest = read(rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]))));
}

function onClient(socket: Socket): void {
  let open = false;
  follow(socket, (bytes) => {
    if (open) return split(bytes, frameHead, route);
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return bytes;
    open = true;
    const head = bytes.toString("latin1", 0, end);
    clients.set(/[?&]id=(\w+)/.exec(head)?.[1] ?? "", socket);
    socket.write(switching(head));
    return split(bytes.subarray(end + 4), frameHead, route);
  });
}

function onNode(socket: Socket): void {
  otherNode = socket;
  follow(socket, (bytes) => split(bytes, nodeHead, route));
}

function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ noDelay: true }, onSocket);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

const [first] = setup().nodes ?? [];
if (first !== undefined) onNode(connect({ host: "127.0.0.1", port: Number(first.split(":")[1]), noDelay: true }));
const nodePort = await listen(onNode);
ready(await listen(onClient), `127.0.0.1:${nodePort}`);
