/** Guarantee 10 with connections that break anywhere: nothing is missing, doubled or out of order, or the client hears `lost`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { connect } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { flakyWebSocket } from "../kit/flaky-web-socket.ts";
import { MemoryCluster, threeNodes } from "../kit/memory-cluster.ts";
import { within } from "../kit/wait.ts";

/** Breaks after a few frames, in either direction: a short list of connections, and then one that lasts. */
const breaks = fc.array(fc.record({ there: fc.nat(12), back: fc.nat(12) }), { maxLength: 6 });
const texts = fc.array(fc.oneof(fc.constantFrom("~", "~~", "~ack 7", "~request 1\nx", "~reply 1\n"), fc.string()), {
  maxLength: 40,
});

interface Run {
  readonly cuts: readonly { there: number; back: number }[];
  readonly up: readonly string[];
  readonly down: readonly string[];
  readonly slow: boolean;
}

/** What arrived at either end, in order. */
async function play(
  { cuts, up, down, slow }: Run,
  nodes?: () => Hub,
): Promise<{ up: string[]; down: string[]; lost: string[] }> {
  await using hub = new Hub({ logger: silentLogger });
  const arrived = { up: [] as string[], down: [] as string[], lost: [] as string[] };
  const left = [...cuts];
  const here = nodes?.() ?? hub;
  const flaky = flakyWebSocket(nodes ?? ((): Hub => hub), () => ({
    id: "me",
    async onEvent(_, message) {
      arrived.up.push(String(message));
      if (slow) await new Promise((resolve) => setTimeout(resolve, 0));
    },
  }), { next: () => left.shift() ?? { there: Infinity, back: Infinity } });
  const ws = connect("ws://memory/", { WebSocket: flaky, minDelayMs: 1, maxDelayMs: 2 });
  ws.addEventListener("message", ({ data }) => void arrived.down.push(String(data)));
  ws.addEventListener("lost", ({ why }) => void arrived.lost.push(why));
  await within("the first open", new Promise((resolve) => ws.addEventListener("open", resolve)));
  // A send reaches the client from the moment that its onConnect settled, which came before any message.
  await ws.confirm("start");
  for (let at = 0; at < Math.max(up.length, down.length); at++) {
    const [there, back] = [up[at], down[at]];
    if (there !== undefined) ws.send(there);
    if (back !== undefined) assert.equal(await here.emit("me", back), true);
    if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, at % 2));
  }
  await ws.confirm("end").catch(() => {});
  for (let waited = 0; arrived.down.length < down.length && waited < 3_000; waited++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const heard = structuredClone(arrived);
  ws.close();
  return heard;
}

test("nor while the client moves between nodes at random", async () => {
  const run = fc.record({ cuts: breaks, up: texts, down: texts, slow: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(run, fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }), async (given, turns) => {
      await using cluster = new MemoryCluster();
      const nodes = await threeNodes(cluster);
      const left = [...turns];
      const hubs = (): Hub => (nodes[left.shift() ?? 0] ?? nodes[0]).hub;
      assert.deepEqual(await play(given, hubs), { up: ["start", ...given.up, "end"], down: given.down, lost: [] });
    }),
    { numRuns: 20 },
  );
});

test("whatever connections break, and wherever, nothing is missing, doubled or out of order in either direction", async () => {
  const run = fc.record({ cuts: breaks, up: texts, down: texts, slow: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(run, async (given) => {
      assert.deepEqual(await play(given), { up: ["start", ...given.up, "end"], down: given.down, lost: [] });
    }),
    { numRuns: 60 },
  );
});
