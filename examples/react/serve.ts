/** Serves the page in React and its WebSockets: `node examples/react/serve.ts`, then open the address that it prints. */
import { fileURLToPath } from "node:url";
import process from "node:process";
import { serve } from "../../adapters/node.ts";
import { Hub } from "../../src/index.ts";
import { bundleOf } from "../../tools/client-bundle.ts";

// In a project of yours the bundler does this.
const script = bundleOf(fileURLToPath(new URL("app.ts", import.meta.url)));
const page = `<!doctype html><title>meshsocket and React</title><div id="root"></div><script src="app.js"></script>`;

const hub = new Hub();
const server = await serve(hub, {
  port: Number(process.env["PORT"] ?? 8080),
  path: "/ws",
  session: () => ({
    onEvent: (_, message) => void hub.broadcast(message),
  }),
  fetch({ url }) {
    const isScript = new URL(url).pathname === "/app.js";
    const headers = { "content-type": isScript ? "text/javascript" : "text/html; charset=utf-8" };
    return new Response(isScript ? script : page, { headers });
  },
});
console.log(`listening on ${server.url}`);
