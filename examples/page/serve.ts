/** Serves a page without a build step, and its WebSockets: `node examples/page/serve.ts`, then open the address that it prints. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { serve } from "../../adapters/node.ts";
import { Hub } from "../../src/index.ts";
import { clientBundle } from "../../tools/client-bundle.ts";

const page = readFileSync(new URL("index.html", import.meta.url), "utf8");
// In a project of yours it is node_modules/meshsocket/dist/client/index.js.
const script = clientBundle();

const hub = new Hub();
const server = await serve(hub, {
  port: Number(process.env["PORT"] ?? 8080),
  path: "/ws",
  session: () => ({
    onEvent: (_, message) => void hub.broadcast(message),
  }),
  fetch({ url }) {
    const isScript = new URL(url).pathname === "/client.js";
    const headers = { "content-type": isScript ? "text/javascript" : "text/html; charset=utf-8" };
    return new Response(isScript ? script : page, { headers });
  },
});
console.log(`listening on ${server.url}`);
