// A hub in a node:http server that exists already: node examples/attach.ts
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { attach } from "../adapters/node.ts"; // in a project of yours: "meshsocket/node"
import { Hub } from "../src/index.ts"; // "meshsocket"

const server = createServer((_request, response) => void response.end("your app"));
const hub = new Hub(); // For a cluster: a DistHub, and `await listen(hub)` of "meshsocket/node" before the server listens.

attach(hub, server, {
  path: "/ws",
  session: (request) => ({
    id: new URL(request.url).searchParams.get("name") ?? undefined,
    onConnect: (client) => client.emit(`welcome ${client.id}`),
    onEvent: (client, message) => client.broadcast(message),
  }),
});

server.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
