/** Two nodes as workers of node:cluster; started by node-cluster.test.ts, which it tells their hosts. */
import cluster from "node:cluster";
import process from "node:process";
import { listen } from "../../adapters/node.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";

if (cluster.isPrimary) {
  const hosts: string[] = [];
  for (let count = 0; count < 2; count++) {
    cluster.fork().on("message", (host: string) => {
      hosts.push(host);
      if (hosts.length === 2) process.send?.(hosts);
    });
  }
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGKILL");
    process.exit(0);
  });
} else {
  const { host } = await listen(new DistHub({ storage: new MemoryStorage() }));
  process.send?.(host);
  process.on("disconnect", () => process.exit(0));
}
