/**
 * An application as a user writes it, against the built package. `npm run check -- package` compiles it, strictly and with
 * `skipLibCheck: false`, for each module resolution, with and without DOM.
 */
import {
  type Client,
  CloseCode,
  createToken,
  type Delivery,
  DistClient,
  DistHub,
  Hub,
  type HubOptions,
  MemoryStorage,
  MeshError,
  type Session,
  shouldReconnect,
  verifyBearer,
} from "meshsocket";
import { type Admission, openWebSocket, type Socket, type Storage, type WebSocketLike } from "meshsocket/adapter";
import { connect, type MeshWebSocket } from "meshsocket/client";
import * as bun from "meshsocket/bun";
import * as deno from "meshsocket/deno";
import { EtcdStorage } from "meshsocket/etcd";
import { upgrade } from "meshsocket/hono";
import { attach, listen, serve } from "meshsocket/node";
import { cluster } from "meshsocket/proto";
import { RedisStorage } from "meshsocket/redis";
import { MemoryClient, MemoryCluster } from "meshsocket/testing";
import { Hono } from "hono";
import { createServer } from "node:http";

interface User {
  name: string;
}

const options: HubOptions = { limits: { maxMessageBytes: 65_536 }, origins: ["https://example.com"] };
const hub = new Hub<User>(options);
const storages: Storage[] = [new MemoryStorage(), new EtcdStorage({ endpoints: ["http://127.0.0.1:2379"] }, "app:")];
const redis: Storage = new RedisStorage({ url: "https://redis.example.com", token: "t" }, "app:");
const node: DistHub<User> = new DistHub<User>({ storage: storages[0] ?? redis, secret: "s".repeat(32) });

async function session(request: Request): Promise<Session<User> | Response> {
  const claims = await verifyBearer(request, { key: "k".repeat(32) });
  if (claims instanceof Response) return claims;
  return {
    id: "alice",
    data: { name: "Alice" },
    onConnect: async (client: Client<User>) => {
      await client.subscribe("room:1");
      await client.emit(`hello ${client.data.name}`);
    },
    onEvent: (_client, message) => void hub.publish("room:1", message),
    onDisconnect: (_client, code, reason) => console.log(code === CloseCode.Normal, shouldReconnect(code), reason),
  };
}

export async function main(signal: AbortSignal): Promise<void> {
  const server = await serve(hub, { port: 0, session });
  const delivery: Delivery = await node.publish("room:1", new Uint8Array(3), { except: ["bob"], signal });
  const reply: string | Uint8Array = await node.request("alice", "ready?", { timeoutMs: 100 });
  console.log(server.url, delivery.delivered, delivery.unreachable.length, reply.length);
  for await (const event of node.watchPresence("room:1")) console.log(event.type, event.id);
  node.on("nodejoin", (event) => console.log(event.node.host));
  await hub.close({ drainMs: 1_000 });
}

export async function others(socket: WebSocketLike, admission: Admission): Promise<void> {
  openWebSocket(socket, admission, hub.limits);
  await listen(node, { port: 0 });
  attach(hub, createServer(), { path: "/ws", session });
  const app = new Hono();
  app.get("/ws", upgrade(hub, () => ({ id: "alice", data: { name: "Alice" } })));
  bun.upgradeHandler(hub, { session });
  deno.upgradeHandler(hub, { session });
  const token = await createToken({ secret: "s".repeat(32), audience: "cluster" });
  const client = new DistClient({ url: "https://rpc.example.com", token });
  await client.emit("alice", "hi").catch((error: unknown) => {
    if (!(error instanceof MeshError) || error.code !== "unavailable") throw error;
  });
  console.log(cluster.Cluster.typeName);
}

export async function page(): Promise<void> {
  const ws: MeshWebSocket = connect("wss://example.com/ws", { token: () => "t" });
  ws.onmessage = ({ data }) => console.log(data);
  await ws.confirm("hi");
  const answer: string | Uint8Array = await ws.request("now?");
  console.log(answer.length);
  ws.close();
}

export async function tested(): Promise<void> {
  await using cluster = new MemoryCluster();
  const { connect } = await cluster.start();
  const client: MemoryClient = await connect("alice");
  console.log(await client.next());
}

/** A socket of an adapter of one's own. */
export function buffered(socket: Socket): number {
  return socket.bufferedAmount;
}
