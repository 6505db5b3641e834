/** Peer: crossws, topics only, on any of the runtimes. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { defineHooks } from "crossws";
import { ready } from "../servers/control.ts";

interface Publisher {
  publish(topic: string, data: unknown): unknown;
}

let server: Publisher;

const hooks = defineHooks({
  open(peer) {
    peer.subscribe("all");
    const topic = new URL(peer.request.url).searchParams.get("topic") ?? "";
    if (topic !== "") peer.subscribe(topic);
  },
  message(peer, message) {
    const text = message.text();
    if (text.startsWith("e")) peer.send(text);
    else if (text.startsWith("p")) {
      server.publish(text.slice(1, text.indexOf(":")), text);
    } else server.publish("all", text);
  },
});

interface Globals {
  Bun?: { serve(options: object): { port: number } };
  Deno?: { serve(options: object, handler: unknown): unknown };
}

const { Bun, Deno } = globalThis as unknown as Globals;
if (Bun) {
  const { default: crossws } = await import("crossws/adapters/bun");
  const ws = crossws({ hooks });
  server = ws;
  const fetch = (request: Request, bun: never): unknown => ws.handleUpgrade(request, bun);
  ready(Bun.serve({ port: 0, hostname: "127.0.0.1", websocket: ws.websocket as object, fetch }).port);
} else if (Deno) {
  const { default: crossws } = await import("crossws/adapters/deno");
  const ws = crossws({ hooks });
  server = ws;
  const onListen = ({ port }: { port: number }): void => ready(port);
  Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen },
    (request: Request, info: never): unknown => ws.handleUpgrade(request, info),
  );
} else {
  const { default: crossws } = await import("crossws/adapters/node");
  const ws = crossws({ hooks });
  server = ws;
  const http = createServer();
  http.on(
    "upgrade",
    (request, socket, head) => void ws.handleUpgrade(request, socket, head),
  );
  http.listen(
    0,
    "127.0.0.1",
    () => ready((http.address() as AddressInfo).port),
  );
}
