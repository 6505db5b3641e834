// A hub in a server that Bun makes of the default export: bun examples/bun-serve.ts
import process from "node:process";
import { type UpgradeHandler, upgradeHandler } from "../adapters/bun.ts"; // "meshsocket/bun"
import { Hub } from "../src/index.ts"; // "meshsocket"

const hub = new Hub(); // For a cluster: a DistHub, and `await listen(hub)` of "meshsocket/bun" before the export.

const sockets = upgradeHandler(hub, {
  path: "/ws",
  session: (request) => ({
    id: new URL(request.url).searchParams.get("name") ?? undefined,
    onConnect: (client) => client.emit(`welcome ${client.id}`),
    onEvent: (client, message) => client.broadcast(message),
  }),
});

const server: UpgradeHandler & { port: number; hostname: string } = {
  port: Number(process.env["PORT"] ?? 8080),
  hostname: "127.0.0.1",
  fetch: async (request, bun) => (await sockets.fetch(request, bun)) ?? new Response("your app"),
  websocket: sockets.websocket,
};
export default server;
