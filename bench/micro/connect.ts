/**
 * The cost of a connect, of a hub and of bare `ws`, without sockets: handshakes of clients in memory, from `node:http`'s request to the 101.
 *
 *   node bench/micro/connect.ts [bare|hub]
 */
import { Buffer } from "node:buffer";
import { createServer, IncomingMessage } from "node:http";
import process from "node:process";
import { WebSocketServer } from "ws";
import { attach } from "../../adapters/node.ts";
import { Hub } from "../../src/hub/hub.ts";
import { MemoryStream } from "./memory-stream.ts";

const AT_ONCE = 100;
const ROUNDS = 100;
const http = createServer();
const which = process.argv[2] ?? "hub";

if (which === "bare") {
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on("connection", (ws) => ws.on("message", () => {}));
} else {
  attach(new Hub(), http, {
    session(request) {
      const query = new URL(request.url).searchParams;
      return { id: query.get("id") ?? undefined, onEvent() {} };
    },
  });
}

/** Kept, as the clients of a server are. */
const clients: MemoryStream[] = [];
let number = 0;

function connect(): void {
  const client = new MemoryStream();
  const request = new IncomingMessage(client as never);
  request.method = "GET";
  request.url = `/?id=c${number++}&topic=`;
  request.httpVersion = "1.1";
  request.headers = {
    host: "127.0.0.1:8080",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  request.rawHeaders = Object.entries(request.headers).flat() as string[];
  http.emit("upgrade", request, client, Buffer.alloc(0));
  clients.push(client);
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function round(): Promise<void> {
  for (let left = AT_ONCE; left > 0; left--) connect();
  while (MemoryStream.written < number) await tick();
}

for (let left = ROUNDS / 2; left > 0; left--) await round();
const start = process.cpuUsage();
for (let left = ROUNDS; left > 0; left--) await round();
const { user, system } = process.cpuUsage(start);
console.log(which, ((user + system) / (AT_ONCE * ROUNDS)).toFixed(1), "µs for a connect");
process.exit(0);
