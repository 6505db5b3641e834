import assert from "node:assert/strict";
import { test } from "node:test";
import * as denoEntry from "../../adapters/deno.ts";
import * as nodeEntry from "../../adapters/node.ts";
import { DistHub, MemoryStorage } from "../../src/index.ts";

for (const [name, { listen }] of [["node", nodeEntry], ["deno", denoEntry]] as const) {
  test(`meshsocket/${name} joins a cluster on whichever runtime imports it`, async () => {
    await using hub = new DistHub({ storage: new MemoryStorage(), secret: "s".repeat(32) });
    await listen(hub, { port: 0, hostname: "127.0.0.1" });
    assert.equal(hub.status, "ready");
  });
}
