/**
 * One node with the chat page, on the runtime that runs this file; the node of a cluster when it is given a storage.
 *
 *   npm start            on Node
 *   bun run start        on Bun
 *   deno task serve      on Deno
 *
 * | variable                   | what it is                                                                  | default          |
 * | -------------------------- | --------------------------------------------------------------------------- | ---------------- |
 * | `PORT`                     | the port of the page and its WebSockets; 0 takes any free one               | 8080             |
 * | `HOST`                     | the address to listen on                                                    | 0.0.0.0          |
 * | `MESHSOCKET_STORAGE_URL`   | `redis://…`, `rediss://…`, or Redis over HTTP (`https://…`): joins the cluster; `UPSTASH_REDIS_REST_URL` does the same | none: one node alone |
 * | `MESHSOCKET_STORAGE_TOKEN` | the token for `https://…`; `UPSTASH_REDIS_REST_TOKEN` does the same         | none             |
 * | `MESHSOCKET_PREFIX`        | the name of the cluster in the storage                                      | websocket        |
 * | `MESHSOCKET_SECRET`        | what the nodes of the cluster share; without one RPC stays on this machine  | none             |
 * | `MESHSOCKET_LEASE_MS`      | milliseconds after which a dead node is forgotten                           | 15000            |
 * | `MESHSOCKET_DRAIN_MS`      | milliseconds over which clients are sent away, some at a time, when the node is told to end | 5000 |
 * | `MESHSOCKET_ANNOUNCE_MS`   | milliseconds before that for which the node says that it is not ready, and still takes clients | 0 |
 * | `MESHSOCKET_HEALTH`        | `on` answers `/livez` and `/readyz` in JSON (docs/serving.md), `off` does not | on            |
 * | `RPC_PORT`                 | the port for the other nodes and for back-ends                              | any free one     |
 * | `RPC_HOST`                 | the address to listen on for them                                           | 0.0.0.0; 127.0.0.1 without a secret |
 * | `ADVERTISE`                | `host:port` at which the others reach this node                             | this machine's address |
 *
 * `GET /ready` answers 200 while the node takes clients, else 503. SIGINT and SIGTERM end it in order: `/ready` says 503, no client is
 * let in, those who are there are closed with 1012 and told when to come back, and calls under way are answered. A second signal ends it at once.
 */
import process from "node:process";
import type { CloseOptions } from "../src/hub/hub-options.ts";
import { type ChatNode, startChatNode } from "./chat-node.ts";
import { closeOptionsFrom, configFrom } from "./start-config.ts";
import { stopOnSignal } from "./stop.ts";
import { thisRuntime } from "./this-runtime.ts";

let chat: ChatNode;
let closing: Required<CloseOptions>;
try {
  closing = closeOptionsFrom(process.env);
  chat = await startChatNode(configFrom(process.env));
} catch (error) {
  console.error(`meshsocket cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
const { hub, server } = chat;
stopOnSignal({ stop: () => hub.close(closing), drainMs: closing.announceMs + closing.drainMs });
const node = server.rpc ? `, node ${server.rpc.host} of the cluster` : "";
console.log(`${server.url} on ${thisRuntime.name} ${thisRuntime.version}, listening on ${server.hostname}${node}`);
