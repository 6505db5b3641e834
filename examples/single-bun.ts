// One node on Bun, clients at ws://127.0.0.1:8080/ws?name=ann: bun examples/single-bun.ts
import process from "node:process";
import { serve } from "../adapters/bun.ts"; // in a project of yours: "meshsocket/bun"
import { Hub } from "../src/index.ts"; // "meshsocket"

const hub = new Hub();
const server = await serve(hub, {
  port: Number(process.env["PORT"] ?? 8080),
  hostname: "127.0.0.1",
  path: "/ws",
  session: (request) => ({
    id: new URL(request.url).searchParams.get("name") ?? undefined,
    onConnect: (client) => client.emit(`welcome ${client.id}`),
    onEvent: (client, message) => client.broadcast(message),
  }),
  fetch: () => new Response("your app"),
});
console.log(`listening on ${server.url}`);
