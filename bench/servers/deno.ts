/** Native control on Deno: a bare loop over its own server. */
import { ready } from "./control.ts";

interface DenoGlobal {
  upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
  serve(
    options: {
      port: number;
      hostname: string;
      onListen(address: { port: number }): void;
    },
    handler: (request: Request) => Response,
  ): unknown;
}

const { Deno } = globalThis as unknown as { Deno: DenoGlobal };
const clients = new Set<WebSocket>();
Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => ready(port),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.addEventListener("open", () => clients.add(socket));
  socket.addEventListener("close", () => clients.delete(socket));
  socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
    if (data.startsWith("e")) socket.send(data);
    else for (const client of clients) client.send(data);
  });
  return response;
});
