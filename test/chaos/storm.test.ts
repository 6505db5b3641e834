/** All clients of a dead node that come back at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestClient } from "../kit/client.ts";
import { crowd } from "../kit/crowd.ts";
import { RawClient } from "../kit/raw.ts";
import type { NodeProcess } from "../kit/node-process.ts";
import { ProcessCluster } from "../kit/process-cluster.ts";
import { until } from "../kit/until.ts";

const CLIENTS = 1_000;
const LEASE_MS = 2_000;
/** How long a client waits at first, at random up to this: all of them is the worst that a program of ours should do. */
const FIRST_WAIT_MS = 1_000;
const BACK_MS = 15_000;
const LAG_MS = 500;

/** Connects until it is let in, with full jitter; says how often it was refused. */
async function comeBack(nodes: readonly NodeProcess[], id: string): Promise<{ refused: number; client: TestClient }> {
  for (let refused = 0;; refused++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * FIRST_WAIT_MS * 2 ** Math.min(refused, 3)));
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    if (!node) throw new Error("nobody is left");
    const client = await node.connect(id).catch(() => undefined);
    if (client) return { refused, client };
  }
}

async function reachAll(node: NodeProcess, ids: readonly string[]): Promise<void> {
  await until("everybody to be reached", async () => {
    const outcomes = await node.callAll(ids.map((id) => ["emit", id, "welcome back"]));
    return outcomes.every((one) => "value" in one && one.value === true);
  });
}

test("the clients of a node that died are all back in time, their claims share requests, and no survivor's loop is held up", async () => {
  const cluster = await ProcessCluster.start({ leaseMs: LEASE_MS });
  try {
    const [dead, ...survivors] = cluster.nodes.map(({ node }) => node) as [NodeProcess, ...NodeProcess[]];
    const clients = await crowd(dead, "storm", CLIENTS);
    const ids = clients.map(({ id }) => id);
    const before = cluster.redis.counts()["set"] ?? 0;
    const startMs = performance.now();
    await cluster.kill(dead);
    const back = await Promise.all(ids.map((id) => comeBack(survivors, id)));
    await Promise.all(survivors.map((node) => reachAll(node, ids)));
    const ms = performance.now() - startMs;
    assert.ok(ms < BACK_MS, `all were back after ${ms} ms`);
    assert.equal(back.reduce((sum, { refused }) => sum + refused, 0), 0);
    const claims = (cluster.redis.counts()["set"] ?? 0) - before;
    assert.ok(claims < CLIENTS, `${claims} requests for ${CLIENTS} claims`);
    for (const node of survivors) {
      const { lagMs, status } = await node.status();
      assert.ok(lagMs < LAG_MS, `the loop of ${node.runtime} was late by ${lagMs} ms`);
      assert.equal(status, "ready");
    }
  } finally {
    await cluster.close();
  }
});

test("beyond a rate upgrades are refused with 429 and a time to wait, and everybody is let in in the end", async () => {
  const [rate, burst, clients] = [50, 20, 250];
  const cluster = await ProcessCluster.start({
    leaseMs: LEASE_MS,
    limits: { connectsPerSecond: rate, connectBurst: burst },
  });
  try {
    const nodes = cluster.nodes.map(({ node }) => node);
    const ids = Array.from({ length: clients }, (_, index) => `rated-${index}`);
    const startMs = performance.now();
    const coming = Promise.all(ids.map((id) => comeBack(nodes, id)));
    const port = Number(new URL(nodes[0]?.url ?? "").port);
    await until("a refusal", async () => {
      const raw = await RawClient.connect(port);
      raw.handshake("/ws");
      const { status, headers } = await raw.head();
      raw.socket.destroy();
      if (status !== 429) return false;
      assert.ok(Number(headers.get("retry-after")) > 0);
      return true;
    });
    const back = await coming;
    assert.ok(back.some(({ refused }) => refused > 0));
    const [node] = nodes;
    if (node) await reachAll(node, ids);
    assert.ok(performance.now() - startMs < BACK_MS);
  } finally {
    await cluster.close();
  }
});
