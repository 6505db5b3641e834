/**
 * The cost of an echo, of a hub and of bare `ws`, without sockets: the frames of a thousand clients come and go through streams in memory.
 *
 *   node bench/micro/echo.ts [bare|hub]
 */
import { Buffer } from "node:buffer";
import { createServer, IncomingMessage } from "node:http";
import process from "node:process";
import { WebSocketServer } from "ws";
import { attach } from "../../adapters/node.ts";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryStream } from "./memory-stream.ts";

const CLIENTS = 1_000;
const ROUNDS = 300;
const http = createServer();
const which = process.argv[2] ?? "hub";

if (which === "bare") {
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: false,
  });
  server.on("connection", (ws) =>
    ws.on("message", (data: Buffer) => {
      const text = data.toString();
      if (text.startsWith("e")) ws.send(text);
    }));
} else {
  attach(new Hub({ limits: { messagesPerSecond: Infinity } }), http, {
    session: () => ({
      onEvent(client, message) {
        if ((message as string).startsWith("e")) void client.emit(message);
      },
    }),
  });
}
const clients: MemoryStream[] = [];
for (let index = 0; index < CLIENTS; index++) {
  const client = new MemoryStream();
  const request = new IncomingMessage(client as never);
  request.method = "GET";
  request.url = "/";
  request.httpVersion = "1.1";
  request.headers = {
    host: "x",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  request.rawHeaders = Object.entries(request.headers).flat() as string[];
  http.emit("upgrade", request, client, Buffer.alloc(0));
  clients.push(client);
}
await new Promise((resolve) => setTimeout(resolve, 300));
const payload = Buffer.from("e" + "x".repeat(63));
const frame = Buffer.concat([
  Buffer.from([0x81, 0x80 | 64, 0, 0, 0, 0]),
  payload,
]);
console.log("written at start", MemoryStream.written);
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
for (let round = 0; round < 100; round++) {
  for (const client of clients) client.push(Buffer.from(frame));
  await tick();
  await tick();
}
MemoryStream.written = 0;
const start = process.cpuUsage();
for (let round = 0; round < ROUNDS; round++) {
  for (const client of clients) client.push(Buffer.from(frame));
  await tick();
  await tick();
}
const { user, system } = process.cpuUsage(start);
console.log(
  which,
  MemoryStream.written,
  ((user + system) * 1000 / (CLIENTS * ROUNDS)).toFixed(0),
  "ns for an echo",
);
process.exit(0);
