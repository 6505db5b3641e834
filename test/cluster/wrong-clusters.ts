/** What can be wrong with a cluster, what its nodes do and say, and what the verbs return meanwhile. Run by wrong-clusters.test.ts. */
import { WRONG_ADDRESSES } from "./wrong-addresses.ts";
import type { WrongCluster } from "./wrong-cluster.ts";
import { WRONG_SETUPS } from "./wrong-setups.ts";
import { WRONG_STORAGES } from "./wrong-storages.ts";

/** Every wrong cluster that is run here. */
export const WRONG_CLUSTERS: readonly WrongCluster[] = [...WRONG_ADDRESSES, ...WRONG_SETUPS, ...WRONG_STORAGES];

/** Rows whose run is a test of another file. */
export const ELSEWHERE: readonly (Omit<WrongCluster, "run"> & { file: string; test: string })[] = [
  {
    title: "the workers of node:cluster (pm2), which would share one RPC port",
    state: "ready: each worker has a port of its own",
    line: "",
    results: "unaffected",
    file: "test/cluster/node-cluster.test.ts",
    test: "each worker of node:cluster, or each process on one machine, has an RPC address of its own",
  },
];
