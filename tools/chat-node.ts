import { assets } from "../demo/assets.ts";
import { Chat } from "../demo/chat.ts";
import { DistHub } from "../src/distributed/dist-hub.ts";
import { Hub } from "../src/hub/hub.ts";
import type { RpcOptions, Server } from "../src/hub/serve-options.ts";
import type { Storage } from "../src/storage/storage.ts";
import { serve, thisRuntime } from "./this-runtime.ts";

/** Options of a node with the chat page. */
export interface ChatNodeOptions {
  port: number;
  hostname: string;
  /** Answers `/livez` and `/readyz`. */
  health: boolean;
  /** Makes it a node of a cluster. */
  cluster?: { storage: Storage; secret: string | undefined; leaseMs: number | undefined; rpc: RpcOptions } | undefined;
}

/** A node with the chat page. */
export interface ChatNode {
  readonly hub: Hub;
  readonly server: Server;
}

/** Starts a node with the chat page at `/`, its WebSockets at `/ws` and its readiness at `/ready`. */
export async function startChatNode({ port, hostname, health, cluster }: ChatNodeOptions): Promise<ChatNode> {
  const hub: Hub = cluster ? new DistHub(withoutUndefined(cluster)) : new Hub();
  const chat = new Chat(hub, thisRuntime.name, thisRuntime.version);
  const page = assets(["page.html", "page.css", "page.js", "theme.css"]);
  const server = await serve(hub, {
    port,
    hostname,
    path: "/ws",
    health,
    session: (request) => chat.session(request),
    fetch: (request) => readiness(request, hub) ?? page(request) ?? new Response("not found", { status: 404 }),
    ...(cluster && { rpc: cluster.rpc }),
  });
  return { hub, server };
}

function withoutUndefined({ storage, secret, leaseMs }: NonNullable<ChatNodeOptions["cluster"]>) {
  return { storage, ...(secret !== undefined && { secret }), ...(leaseMs !== undefined && { leaseMs }) };
}

/** The readiness that a load balancer asks for: 200 while new clients are taken. */
function readiness(request: Request, hub: Hub): Response | undefined {
  if (new URL(request.url).pathname !== "/ready") return undefined;
  return new Response(`${hub.status}\n`, { status: hub.status === "ready" ? 200 : 503 });
}
