import type { HubNode } from "../hub/node.ts";
import type { TokenMint } from "../rpc/token.ts";
import type { Storage } from "../storage/storage.ts";

/** A node of a cluster as its {@link Cluster} needs it: with what every hub has. */
export interface ClusterDependencies<Data> extends HubNode<Data> {
  readonly storage: Storage;
  /** Mints the tokens for the other nodes; without `tokens` they need none. */
  readonly secrets: { readonly tokens: TokenMint | undefined };
  readonly leaseMs: number;
}
