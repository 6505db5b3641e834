/**
 * One node of a cluster, with Redis as its storage: start it as often as you like, each with a PORT of its own.
 *
 *   export MESHSOCKET_STORAGE_URL=redis://127.0.0.1:6379 MESHSOCKET_SECRET=…32 bytes or more
 *   PORT=8080 RPC_PORT=8081 node examples/distributed.ts
 *
 * Redis over HTTP, such as Upstash, has a URL that begins with https:// and a MESHSOCKET_STORAGE_TOKEN.
 * For Bun or Deno import another adapter; nodes of all three form one cluster.
 */
import process from "node:process";
import { serve } from "../adapters/node.ts"; // in a project of yours: "meshsocket/node"
import { DistHub } from "../src/index.ts"; // "meshsocket"
import { RedisStorage } from "../src/storage/redis/redis.ts"; // "meshsocket/redis"

const { PORT, RPC_PORT, MESHSOCKET_STORAGE_URL = "", MESHSOCKET_STORAGE_TOKEN, MESHSOCKET_SECRET } = process.env;

const hub = new DistHub({
  storage: new RedisStorage(MESHSOCKET_STORAGE_URL, "example", { token: MESHSOCKET_STORAGE_TOKEN }),
  secret: MESHSOCKET_SECRET,
});

const server = await serve(hub, {
  port: Number(PORT ?? 8080),
  hostname: "127.0.0.1",
  path: "/ws",
  // Loopback, as the nodes of this example share a machine. Across machines: leave it out.
  rpc: { port: Number(RPC_PORT ?? 0), hostname: "127.0.0.1" },
  // Edge functions reach the cluster through the public port: examples/edge.
  publicRpc: true,
  session: (request) => ({
    id: new URL(request.url).searchParams.get("name") ?? undefined,
    onConnect: (client) => client.emit(`welcome ${client.id}`),
    async onEvent(client, message) {
      // "@bob hello" is for bob alone, on whatever node he is; everything else is for everyone.
      const [, to, text = ""] = /^@(\S+) (.*)$/s.exec(String(message)) ?? [];
      if (to === undefined) await client.broadcast(message);
      else if (!(await hub.emit(to, text))) await client.emit(`${to} is not connected`);
    },
  }),
});
console.log(`listening on ${server.url}, node ${server.rpc?.host}`);

process.once("SIGTERM", () => void server.close());
process.once("SIGINT", () => void server.close());
