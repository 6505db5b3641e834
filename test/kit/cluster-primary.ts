/** Two nodes as workers of node:cluster, or on Deno, which has none, as processes; node-cluster.test.ts is told their hosts. */
import { type ChildProcess, fork } from "node:child_process";
import cluster from "node:cluster";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { listen } from "../../adapters/node.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { runtime } from "./runtime.ts";

const WORKER = "TEST_WORKER";

if (cluster.isPrimary && process.env[WORKER] === undefined) {
  const hosts: string[] = [];
  const workers = [0, 1].map(startWorker);
  for (const worker of workers) {
    worker.on("message", (host: string) => {
      hosts.push(host);
      if (hosts.length === workers.length) process.send?.(hosts);
    });
  }
  process.on("SIGTERM", () => {
    for (const worker of workers) worker.kill("SIGKILL");
    process.exit(0);
  });
} else {
  const { host } = await listen(new DistHub({ storage: new MemoryStorage() }));
  process.send?.(host);
  process.on("disconnect", () => process.exit(0));
}

function startWorker(): ChildProcess {
  if (runtime !== "deno") return cluster.fork().process;
  return fork(fileURLToPath(import.meta.url), { env: { ...process.env, [WORKER]: "1" } });
}
