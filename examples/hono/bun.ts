// The Hono app on Bun: bun examples/hono/bun.ts
import process from "node:process";
import { websocket } from "../../adapters/hono.ts"; // in a project of yours: "meshsocket/hono"
import { app, hub } from "./app.ts";

const server: { port: number; hostname: string; fetch: typeof app.fetch; websocket: ReturnType<typeof websocket> } = {
  port: Number(process.env["PORT"] ?? 8080),
  hostname: "127.0.0.1",
  fetch: app.fetch,
  websocket: websocket(hub),
};
export default server;
