// A hub in `deno serve`: deno serve -A --host 127.0.0.1 --port 8080 examples/deno-serve.ts
import process from "node:process";
import { type DenoServeInfo, upgradeHandler } from "../adapters/deno.ts"; // in a project of yours: "meshsocket/deno"
import { Hub } from "../src/index.ts"; // "meshsocket"

const hub = new Hub(); // For a cluster: a DistHub, and `await listen(hub)` of "meshsocket/deno" before the export.

const sockets = upgradeHandler(hub, {
  path: "/ws",
  session: (request) => ({
    id: new URL(request.url).searchParams.get("name") ?? undefined,
    onConnect: (client) => client.emit(`welcome ${client.id}`),
    onEvent: (client, message) => client.broadcast(message),
  }),
});

// `deno serve` waits at SIGTERM for whatever still runs, such as the RPC port of a DistHub: close the hub and end.
process.once("SIGTERM", () => void hub.close().finally(() => process.exit()));

export default {
  async fetch(request: Request, info: DenoServeInfo): Promise<Response> {
    return (await sockets.fetch(request, info)) ?? new Response("your app");
  },
};
