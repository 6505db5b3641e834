/**
 * A node of a cluster whose pages read streams: text that one node produces word by word and any number of pages read, on all nodes.
 *
 *   export MESHSOCKET_STORAGE_URL=redis://127.0.0.1:6379 MESHSOCKET_SECRET=…32 bytes or more
 *   PORT=8080 node examples/stream/node.ts
 *   PORT=8081 bun examples/stream/bun.ts
 *   PORT=8082 deno run -A examples/stream/deno.ts
 *
 * Open the addresses that they print with one name after the `#` (http://127.0.0.1:8080/#42), ask on one page, reload another, stop on a third.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { DistHub, MeshError, type ServeOptions, type Server, type Session } from "../../src/index.ts"; // "meshsocket"
import { RedisStorage } from "../../src/storage/redis/redis.ts"; // "meshsocket/redis"
import { clientBundle } from "../../tools/client-bundle.ts";

const { PORT, MESHSOCKET_STORAGE_URL = "", MESHSOCKET_STORAGE_TOKEN, MESHSOCKET_SECRET, MESHSOCKET_LEASE_MS } =
  process.env;

const page = readFileSync(new URL("index.html", import.meta.url), "utf8");
// In a project of yours it is node_modules/meshsocket/dist/client/index.js.
const script = clientBundle();

const hub = new DistHub({
  storage: new RedisStorage(MESHSOCKET_STORAGE_URL, "streams", { token: MESHSOCKET_STORAGE_TOKEN }),
  secret: MESHSOCKET_SECRET,
  // The readers of a node that was killed hear of it after this time.
  leaseMs: Number(MESHSOCKET_LEASE_MS ?? 15_000),
  topics: [{ match: "answer:*", history: { messages: 10_000, ms: 3_600_000 } }],
});

const session: Session = {
  onSubscribe: (_, topic) => topic.startsWith("answer:"),
  // "?" asks the producer to stop. Nobody writes anything else into a stream.
  onPublish: (_, topic, message) => topic.startsWith("answer:") && message === "?",
  async onRequest(_, name) {
    const topic = `answer:${String(name)}`;
    if (await hub.stream(topic).state() === "open") throw new MeshError("failed_precondition", "it goes on already");
    produce(topic).catch((error: unknown) => console.error(`${topic}: the stream broke off`, error));
    return undefined;
  },
};

/** Produces a stream on this node, whoever reads it. */
async function produce(topic: string): Promise<void> {
  const answer = hub.stream(topic);
  for await (const word of think(answer.stopped)) await answer.append(word);
  await answer.end();
}

/** A model that thinks about every word. */
async function* think(stopped: AbortSignal): AsyncGenerator<string> {
  for (let number = 1; number <= 100 && !stopped.aborted; number++) {
    yield `${number} `;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

/** Starts the node with the `serve` of a runtime. */
export async function start(serve: (hub: DistHub, options: ServeOptions) => Promise<Server>): Promise<void> {
  const server = await serve(hub, {
    port: Number(PORT ?? 8080),
    hostname: "127.0.0.1",
    path: "/ws",
    rpc: { hostname: "127.0.0.1" },
    session: () => session,
    fetch({ url }) {
      const isScript = new URL(url).pathname === "/client.js";
      const headers = { "content-type": isScript ? "text/javascript" : "text/html; charset=utf-8" };
      return new Response(isScript ? script : page, { headers });
    },
  });
  console.log(`listening on ${server.url}, node ${server.rpc?.host}`);
  process.once("SIGTERM", () => void server.close());
  process.once("SIGINT", () => void server.close());
}
