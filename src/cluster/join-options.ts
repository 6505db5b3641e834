import type { NodeTransport } from "../link/node-transport.ts";

/** The address of a node of a cluster, and its way to reach the others. */
export interface JoinOptions {
  /** `host:port` at which this node's RPC is answered. */
  host: string;
  /** Makes the transport to another node. */
  transport: (host: string) => NodeTransport;
}
