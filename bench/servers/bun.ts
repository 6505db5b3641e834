/** Native control on Bun: its own server, with its own publish. */
import { ready, setup } from "./control.ts";

interface Ws {
  data: string;
  subscribe(topic: string): void;
  sendText(text: string): number;
}

interface BunServer {
  port: number;
  publish(topic: string, text: string): number;
  upgrade(request: Request, options: { data: string }): boolean;
}

const { Bun } = globalThis as unknown as {
  Bun: { serve(options: object): BunServer };
};
const server = Bun.serve({
  port: 0,
  tls: setup().tls,
  hostname: "127.0.0.1",
  fetch(request: Request, bun: BunServer) {
    const topic = new URL(request.url).searchParams.get("topic") ?? "";
    return bun.upgrade(request, { data: topic }) ? undefined : new Response(null, { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    open(ws: Ws) {
      ws.subscribe("all");
      if (ws.data !== "") ws.subscribe(ws.data);
    },
    message(ws: Ws, text: string) {
      if (text.startsWith("e")) ws.sendText(text);
      else if (text.startsWith("p")) {
        server.publish(text.slice(1, text.indexOf(":")), text);
      } else server.publish("all", text);
    },
  },
});
ready(server.port);
