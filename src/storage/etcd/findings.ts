import { errorCode } from "../../base/error.ts";
import type { StorageFinding } from "../storage.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError } from "./errors.ts";
import type { EtcdKeys } from "./keys.ts";
import { put, read, writtenAt } from "./wire.ts";

/**
 * Everything that keeps an etcd from holding a cluster. Rejects only if the caller gave up, or the storage is closed.
 *
 * One transaction with a write that never runs: etcd refuses it if the user may not write there, or if no space is left.
 */
export async function faultsOf(
  client: EtcdClient,
  keys: EtcdKeys,
  signal: AbortSignal | undefined,
): Promise<StorageFinding[]> {
  const never = writtenAt(keys.generation, NEVER);
  try {
    await client.txn([never], [put(keys.generation, "")], [read(keys.nodes)], { signal });
    return [];
  } catch (error) {
    if (error instanceof EtcdError) return [error.finding];
    if (errorCode(error) !== "unavailable") throw error;
    return [{ text: (error as Error).message, fix: "give the client address of an etcd, 3.4 or later" }];
  }
}

/** A revision that no store reaches. */
const NEVER = 2n ** 63n - 1n;
