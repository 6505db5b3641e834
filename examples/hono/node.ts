// The Hono app on Node: node examples/hono/node.ts
import process from "node:process";
import { serve } from "@hono/node-server";
import { attachApp } from "../../adapters/node.ts"; // in a project of yours: "meshsocket/node"
import { app } from "./app.ts";

const port = Number(process.env["PORT"] ?? 8080);
const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, (address) => {
  console.log(`listening on http://127.0.0.1:${address.port}`);
});
attachApp(app, server);
