/**
 * Runs worker.ts in workerd, the runtime of Cloudflare Workers, on this machine, for a node of examples/distributed.ts:
 *
 *   export MESHSOCKET_URL=http://127.0.0.1:8080 MESHSOCKET_SECRET=…
 *   PORT=8787 node examples/edge/run.ts
 *   curl -d 'your order shipped' http://127.0.0.1:8787/ann
 */
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Miniflare } from "miniflare";

const { PORT = "8787", MESHSOCKET_URL = "http://127.0.0.1:8080", MESHSOCKET_SECRET = "" } = process.env;

// Workers are JavaScript in one piece.
const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
const bun = fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url));
const { stdout: script } = await promisify(execFile)(bun, ["build", worker, "--target=browser", "--format=esm"]);

const edge = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-01-01",
  bindings: { MESHSOCKET_URL, MESHSOCKET_SECRET },
  host: "127.0.0.1",
  port: Number(PORT),
  // Else it would ask a server of Cloudflare where on earth it is.
  cf: false,
});
// Miniflare ends its workerd when a signal ends this process.
console.log(`listening on ${(await edge.ready).origin}`);
