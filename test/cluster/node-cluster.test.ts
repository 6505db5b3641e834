import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runtime } from "../kit/runtime.ts";
import { within } from "../kit/wait.ts";

const PRIMARY = fileURLToPath(new URL("../kit/cluster-primary.ts", import.meta.url));

// node:cluster shares a port between processes on Node alone; on the others each worker has its own anyway.
test("each worker of node:cluster has an RPC address of its own", { skip: runtime !== "node" }, async () => {
  const primary = fork(PRIMARY, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  try {
    const [hosts] = await within("the hosts of the workers", once(primary, "message"), 20_000) as [string[]];
    assert.equal(hosts.length, 2);
    assert.equal(new Set(hosts).size, 2);
  } finally {
    primary.kill();
  }
});
