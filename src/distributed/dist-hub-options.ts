import { anything, checkCallback, checkMs, defined, type OptionTable } from "../base/check/check.ts";
import { HUB_OPTIONS, type HubOptions } from "../hub/hub-options.ts";
import type { ApiKey } from "../rpc/access.ts";
import type { Secret } from "../rpc/token.ts";
import type { Storage } from "../storage/storage.ts";

/** How a {@link DistHub} behaves. */
export interface DistHubOptions extends HubOptions {
  /** Records which node holds which id; the same for all nodes of the cluster. */
  storage: Storage;
  /**
   * The nodes of a cluster know each other by it. Of several the first mints tokens, and all are accepted.
   * Without a secret the RPC port stays on loopback.
   */
  secret?: Secret | undefined;
  /** Secrets of back-ends, each with the calls of the Cluster service that its tokens open. Default: none. */
  apiKeys?: readonly ApiKey[];
  /**
   * Which hosts of the storage are dialled, besides the check of their syntax. A refused host is treated as
   * unreachable. Default: all.
   */
  peers?: (host: string) => boolean;
  /** Milliseconds that the claim to be alive lasts; it is renewed three times in that time. Default 15,000. */
  leaseMs?: number;
}

export const DEFAULT_LEASE_MS = 15_000;
const MIN_LEASE_MS = 300;

/** The options of a DistHub. Its secrets are checked where they are read. */
export const DIST_HUB_OPTIONS: OptionTable<DistHubOptions> = {
  ...HUB_OPTIONS,
  storage: defined(anything),
  secret: defined(anything),
  apiKeys: anything,
  peers: checkCallback,
  leaseMs: (name, value) => checkMs(name, value, MIN_LEASE_MS),
};
