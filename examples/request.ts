/**
 * Asks clients and waits for their replies: `node examples/request.ts`, then open the page it names.
 *
 * `GET /ask/ann?question=…` answers with what the client ann replied; on a DistHub she may be on any node.
 */
import process from "node:process";
import { serve } from "../adapters/node.ts"; // in a project of yours: "meshsocket/node"
import { Hub, MeshError, V1_PROTOCOL } from "../src/index.ts"; // "meshsocket"

const PAGE = `<!doctype html>
<script>
const ws = new WebSocket("ws://" + location.host + "/ws?name=ann", "${V1_PROTOCOL}");
ws.onmessage = ({ data }) => {
  const [line, number] = /^~request (\\d+)\\n/.exec(data) ?? [];
  if (line) ws.send("~reply " + number + "\\n" + prompt(data.slice(line.length)));
};
</script>`;

const hub = new Hub();

async function ask(id: string, question: string): Promise<Response> {
  try {
    return new Response(String(await hub.request(id, question, { timeoutMs: 30_000 })));
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return new Response(error.code, { status: error.code === "not_found" ? 404 : 504 });
  }
}

const server = await serve(hub, {
  port: Number(process.env["PORT"] ?? 8080),
  hostname: "127.0.0.1",
  path: "/ws",
  session: (request) => ({
    id: new URL(request.url).searchParams.get("name") ?? undefined,
  }),
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const [, id] = /^\/ask\/([^/]+)$/.exec(pathname) ?? [];
    if (id === undefined) return new Response(PAGE, { headers: { "content-type": "text/html" } });
    return ask(decodeURIComponent(id), searchParams.get("question") ?? "");
  },
});
console.log(`listening on ${server.url}`);
