import { assets } from "../demo/assets.ts";
import { CHAT, Chat } from "../demo/chat.ts";
import { DistHub } from "../src/distributed/dist-hub.ts";
import { Hub } from "../src/hub/hub.ts";
import type { Origins } from "../src/door/origin.ts";
import type { TopicOptions } from "../src/hub/topics/topic-options.ts";
import { RedisStorage } from "../src/storage/redis/redis.ts";
import type { RpcOptions, Server } from "../src/hub/serve-options.ts";
import type { Storage } from "../src/storage/storage.ts";
import { serve, thisRuntime } from "./this-runtime.ts";

/** Options of a node with the chat page. */
export interface ChatNodeOptions {
  port: number;
  hostname: string;
  /** Pages of which origins may connect. Default: its own. */
  origins?: Origins | undefined;
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

const HISTORY: readonly TopicOptions[] = [{ match: CHAT, history: { messages: 2_000, ms: 3_600_000 } }];

/** Starts a node with the chat page at `/`, its WebSockets at `/ws` and its readiness at `/ready`. */
export async function startChatNode(options: ChatNodeOptions): Promise<ChatNode> {
  const { port, hostname, health, cluster, origins = "same-origin" } = options;
  const keeps = !cluster || cluster.storage instanceof RedisStorage;
  const common = { origins, ...(keeps && { topics: HISTORY }) };
  const hub: Hub = cluster ? new DistHub({ ...common, ...withoutUndefined(cluster) }) : new Hub(common);
  const chat = new Chat(hub, thisRuntime.name, thisRuntime.version, keeps);
  const page = assets(["page.html", "page.css", "page.js", "theme.css"], { client: true });
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
