/** Guarantees 2 and 10 for what is under way between nodes while a client moves: publishes, broadcasts and emits alike. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterNode } from "../../src/distributed/dist-hub.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { longRun, runSeed } from "../kit/random.ts";
import { movingNodeOptions, sendWhileMoving } from "../kit/moving-client.ts";
import { V1Client } from "../kit/v1-client.ts";

const SEEDS = longRun ? 300 : 12;

test("while three nodes publish, broadcast and emit to a client that moves, nothing is missing, doubled or out of order", async () => {
  let moves = 0;
  for (let seed = runSeed; seed < runSeed + SEEDS; seed++) {
    await using cluster = new MemoryCluster();
    const nodes = await threeNodes(cluster, movingNodeOptions());
    const arrived = await sendWhileMoving(cluster, nodes, seed);
    moves += arrived.moves;
    assert.deepEqual(arrived.lost, [], `seed ${seed}`);
    for (const sender of ["a", "b", "c", "kepta", "keptb", "keptc"]) {
      const of = (messages: readonly string[]): string[] => messages.filter((one) => one.startsWith(`${sender} `));
      assert.deepEqual(of(arrived.got), of(arrived.sent), `seed ${seed}, sender ${sender}`);
    }
  }
  assert.ok(moves > 3 * SEEDS, `the client moved only ${moves} times`);
});

test("a client is not handed over before the mark of a node that sent to it and that its own node does not know yet", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const client = await V1Client.open(a.hub, { id: "me", onConnect: (one) => one.subscribe("news") });
  client.socket.terminate();
  const { neighbours } = clusterNode(a.hub).cluster;
  const claim = (a.hub.client("me") as unknown as { claim: bigint }).claim + 1n;
  const known = [a, b, c].map(({ hub }) => clusterNode(hub).cluster.neighbours.holder.life);
  assert.equal(
    neighbours.evict("me", claim, { token: client.hello.token, received: 0, user: undefined }).handover?.waits,
    true,
  );
  // A message to many arrives from a node that joins.
  neighbours.moves.except("joins", undefined);
  const take = { id: "me", claim, lives: known, marked: [] };
  assert.equal(neighbours.handOver(take).handover?.waits, true);
  neighbours.forget("joins");
  const { handover } = neighbours.handOver(take);
  assert.deepEqual([handover?.waits, handover?.refusal], [false, ""]);
});

for (const [where, marked] of [["old", []], ["new", ["half"]]] as const) {
  test(`a client is lost, and told so, if a node ended that had sent its mark to the ${where} one of its nodes only`, async () => {
    await using cluster = new MemoryCluster();
    const [a, b, c] = await threeNodes(cluster);
    const client = await V1Client.open(a.hub, { id: "me" });
    const { neighbours } = clusterNode(a.hub).cluster;
    const claim = (a.hub.client("me") as unknown as { claim: bigint }).claim + 1n;
    const lives = [a, b, c].map(({ hub }) => clusterNode(hub).cluster.neighbours.holder.life);
    neighbours.evict("me", claim, { token: client.hello.token, received: 0, user: undefined });
    for (const life of lives) neighbours.moves.mark(life, [{ id: "me", claim }]);
    if (where === "old") neighbours.moves.mark("half", [{ id: "me", claim }]);
    const { handover } = neighbours.handOver({ id: "me", claim, lives, marked: [...marked] });
    assert.deepEqual([handover?.waits, handover?.refusal], [false, "unknown"]);
    assert.equal(a.hub.size, 0);
  });
}

test("nothing is taken of a node that has left or died, whose last messages clients may have got on another node", async () => {
  await using cluster = new MemoryCluster();
  const [a, b, c] = await threeNodes(cluster);
  const client = await V1Client.open(a.hub, { id: "me", onConnect: (one) => one.subscribe("news") });
  assert.equal(await c.hub.emit("me", "one"), true);
  const { neighbours } = clusterNode(a.hub).cluster;
  const { holder } = clusterNode(c.hub).cluster.neighbours;
  neighbours.hello(holder, true);
  await assert.rejects(c.hub.emit("me", "two"), { code: "unknown" });
  const host = clusterNode(a.hub).cluster.holder.host;
  assert.deepEqual((await c.hub.publish("news", "three")).unreachable, [host]);
  await assert.rejects(c.hub.request("me", "four"), { code: "unknown" });
  neighbours.hello(holder, false);
  assert.equal(await c.hub.emit("me", "five"), true);
  assert.deepEqual(await client.take(2), ["one", "five"]);
  assert.deepEqual(client.waiting, []);
  assert.equal(await b.hub.emit("me", "six"), true);
});
