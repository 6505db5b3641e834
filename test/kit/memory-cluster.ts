import type { DistHubOptions } from "../../src/distributed/dist-hub-options.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { MemoryCluster as TestingCluster, type MemoryNode } from "../../src/testing/memory-cluster.ts";
import { carrier } from "./carrier.ts";

export type { MemoryNode } from "../../src/testing/memory-cluster.ts";

/** The cluster of `meshsocket/testing`, over the lines that the running suite is about. */
export class MemoryCluster extends TestingCluster {
  constructor(storage: Storage = new MemoryStorage()) {
    super({ storage, lines: carrier.lines });
  }
}

/** Three nodes, A, B and C. */
export async function threeNodes(
  cluster: MemoryCluster,
  options: Partial<DistHubOptions> = {},
): Promise<readonly [MemoryNode, MemoryNode, MemoryNode]> {
  return [await cluster.start(options), await cluster.start(options), await cluster.start(options)];
}
