/** `meshsocket/testing`: what it carries, and each of its faults. Its example runs as part of this file. */
import "../../examples/testing.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryCluster, type MemoryNode } from "../../src/testing/testing.ts";
import { until } from "../kit/until.ts";

const LIMITS = { timeoutMs: 200, linkSilenceMs: 400, linkPingMs: 200 };

async function pair(cluster: MemoryCluster): Promise<readonly [MemoryNode, MemoryNode]> {
  return [await cluster.start({ limits: LIMITS }), await cluster.start({ limits: LIMITS })];
}

for (
  const { lines, carried, other } of [
    { lines: "packed", carried: "Line", other: "Link" },
    { lines: "calls", carried: "Link", other: "Line" },
  ] as const
) {
  test(`testing: a cluster with ${lines} lines carries its batches that way and no other`, async () => {
    await using cluster = new MemoryCluster({ lines });
    const [a, b] = await pair(cluster);
    const alice = await b.connect("alice");
    assert.equal(await a.hub.emit("alice", "hi"), true);
    assert.equal(await alice.next(), "hi");
    assert.ok(cluster.calls.includes(`${b.host} ${carried}`), cluster.calls.join());
    assert.ok(!cluster.calls.some((call) => call.endsWith(` ${other}`)), cluster.calls.join());
  });

  test(`testing: ${lines} lines are cut, delayed, paused and lost, and carry on afterwards`, async () => {
    await using cluster = new MemoryCluster({ lines });
    const [a, b] = await pair(cluster);
    const alice = await b.connect("alice");
    const arrives = async (text: string): Promise<void> => {
      await until(`${text} to arrive`, () => a.hub.emit("alice", text).catch(() => false));
      for (;;) if (await alice.next() === text) return;
    };
    await arrives("first");
    cluster.cut(b.host);
    await arrives("after the cut");
    cluster.delay(b.host, 30);
    const since = performance.now();
    await arrives("delayed");
    assert.ok(performance.now() - since >= 50, "the way there and back");
    cluster.delay(b.host, 0);
    const resume = cluster.pause(b.host);
    await assert.rejects(a.hub.emit("alice", "no answer"), { code: "deadline_exceeded" });
    assert.equal(await alice.next(), "no answer");
    resume();
    await arrives("after the pause");
    const find = cluster.lose(b.host);
    await assert.rejects(a.hub.emit("alice", "lost"), { code: "deadline_exceeded" });
    assert.deepEqual(alice.waiting, []);
    find();
    await arrives("after the loss");
  });
}

test("testing: a host that is down refuses calls, and a storage that is down refuses clients", async () => {
  await using cluster = new MemoryCluster();
  const [a, b] = await pair(cluster);
  await b.connect("alice");
  cluster.down.add(b.host);
  await assert.rejects(a.hub.emit("alice", "hi"), { code: "unavailable" });
  cluster.down.delete(b.host);
  await until("alice to be reached", () => a.hub.emit("alice", "hi").catch(() => false));
  cluster.storageDown = true;
  await assert.rejects(a.connect("bob"), /refused with 503/);
});
