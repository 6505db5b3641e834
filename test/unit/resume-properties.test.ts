/** Guarantee 10 with connections that break anywhere: nothing is missing, doubled or out of order, or the client hears `lost`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { connect } from "../../client/index.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { flakyWebSocket } from "../kit/flaky-web-socket.ts";
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
async function play({ cuts, up, down, slow }: Run): Promise<{ up: string[]; down: string[]; lost: number }> {
  await using hub = new Hub({ logger: silentLogger });
  const arrived = { up: [] as string[], down: [] as string[], lost: 0 };
  const left = [...cuts];
  const flaky = flakyWebSocket(() => hub, () => ({
    id: "me",
    async onEvent(_, message) {
      arrived.up.push(String(message));
      if (slow) await new Promise((resolve) => setTimeout(resolve, 0));
    },
  }), { next: () => left.shift() ?? { there: Infinity, back: Infinity } });
  const ws = connect("ws://memory/", { WebSocket: flaky, minDelayMs: 1, maxDelayMs: 2 });
  ws.addEventListener("message", ({ data }) => void arrived.down.push(String(data)));
  ws.addEventListener("lost", () => void arrived.lost++);
  await within("the first open", new Promise((resolve) => ws.addEventListener("open", resolve)));
  for (let at = 0; at < Math.max(up.length, down.length); at++) {
    const [there, back] = [up[at], down[at]];
    if (there !== undefined) ws.send(there);
    if (back !== undefined) void hub.emit("me", back);
    if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, at % 2));
  }
  await ws.confirm("end").catch(() => {});
  await within("the reply", hub.request("me", "end?", { timeoutMs: 5_000 }).catch(() => {}));
  ws.close();
  return arrived;
}

test("whatever connections break, and wherever, nothing is missing, doubled or out of order in either direction", async () => {
  const run = fc.record({ cuts: breaks, up: texts, down: texts, slow: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(run, async (given) => {
      assert.deepEqual(await play(given), { up: [...given.up, "end"], down: given.down, lost: 0 });
    }),
    { numRuns: 60 },
  );
});
