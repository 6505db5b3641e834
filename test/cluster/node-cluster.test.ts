import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { within } from "../kit/wait.ts";

const PRIMARY = fileURLToPath(new URL("../kit/cluster-primary.ts", import.meta.url));

test("each worker of node:cluster, or each process on one machine, has an RPC address of its own", async () => {
  const primary = fork(PRIMARY, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  try {
    const [hosts] = await within("the hosts of the workers", once(primary, "message"), 20_000) as [string[]];
    assert.equal(hosts.length, 2);
    assert.equal(new Set(hosts).size, 2);
  } finally {
    primary.kill();
  }
});
