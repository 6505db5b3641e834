/**
 * Hubs and clusters in one process, for tests of your handlers: no ports, no sockets, and faults where you want them.
 *
 * Messages take the path that they take in production. A client is a {@link MemoryClient}, whose two ends are shaped like
 * a browser's WebSocket. The nodes of a {@link MemoryCluster} hold the lines of production to each other, over streams of
 * bytes in memory.
 *
 * ```ts
 * import { MemoryCluster } from "meshsocket/testing";
 *
 * await using cluster = new MemoryCluster();
 * const [a, b] = [await cluster.start(), await cluster.start()];
 * const alice = await a.connect("alice");
 * await b.hub.emit("alice", "hi"); // true
 * await alice.next(); // "hi"
 * ```
 *
 * @module
 */
import "../base/check/check-node.ts";
export { Events, within } from "./events.ts";
export { type Closed, MemoryClient, type MemoryClientOptions } from "./memory-client.ts";
export { MemoryCluster, type MemoryClusterOptions, type MemoryNode } from "./memory-cluster.ts";
export { MemoryWebSocket } from "../door/memory-pair.ts";
