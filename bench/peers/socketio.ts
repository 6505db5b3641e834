/** Peer: Socket.IO, WebSocket only, on any of the runtimes; with a broker in its setup also its Redis adapter, or the one on streams. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { ready, setup } from "../servers/control.ts";

const { redisPort, history = false } = setup();
const io = new Server({
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
  // Without it the adapter does not recover either.
  ...(history && { connectionStateRecovery: {} }),
});

io.on("connection", (socket) => {
  const { id, topic } = socket.handshake.query as { id: string; topic: string };
  void socket.join(topic === "" ? [id] : [id, topic]);
  socket.on("m", (text: string) => {
    if (text.startsWith("e")) socket.emit("m", text);
    else if (text.startsWith("b")) io.emit("m", text);
    else io.to(text.slice(1, text.indexOf(":"))).emit("m", text);
  });
});

if (redisPort !== undefined) {
  const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(history ? createStreamsAdapter(publisher) : createAdapter(publisher, subscriber));
}

interface BunGlobal {
  serve(options: object): { port: number };
}

const { Bun } = globalThis as unknown as { Bun?: BunGlobal };
if (Bun) {
  const { Server: Engine } = await import("@socket.io/bun-engine");
  const engine = new Engine({ path: "/socket.io/" });
  io.bind(engine);
  ready(
    Bun.serve({ port: 0, hostname: "127.0.0.1", ...engine.handler() }).port,
  );
} else {
  const http = createServer();
  io.attach(http);
  http.listen(
    0,
    "127.0.0.1",
    () => ready((http.address() as AddressInfo).port),
  );
}
