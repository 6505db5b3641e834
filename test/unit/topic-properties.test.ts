/** Guarantee 10 for subscriptions of the client itself, with connections that break anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { connect, type Subscription } from "../../client/index.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { Hub } from "../../src/hub/hub.ts";
import { flakyWebSocket } from "../kit/flaky-web-socket.ts";
import { within } from "../kit/wait.ts";

const cut = fc.record({ there: fc.nat(12), back: fc.nat(12) });
const text = fc.oneof(fc.constantFrom("~", "~~", "~ack 7", '~message {"topic":"b"}\nx', "\n"), fc.string());
const run = fc.record({
  cuts: fc.array(cut, { maxLength: 6 }),
  a: fc.array(text, { maxLength: 20 }),
  b: fc.array(text, { maxLength: 20 }),
  own: fc.array(text, { maxLength: 10 }),
});
type Run = typeof run extends fc.Arbitrary<infer Value> ? Value : never;

/** What each subscription got, and what came without a topic. */
async function play({ cuts, a, b, own }: Run): Promise<{ a: unknown[]; b: unknown[]; plain: unknown[] }> {
  await using hub = new Hub({ logger: silentLogger });
  const left = [...cuts];
  const flaky = flakyWebSocket(() => hub, () => ({ id: "me", onSubscribe: () => true, onPublish: () => true }), {
    next: () => left.shift() ?? { there: Infinity, back: Infinity },
  });
  const ws = connect("ws://memory/", { WebSocket: flaky, minDelayMs: 1, maxDelayMs: 2 });
  const plain: unknown[] = [];
  ws.addEventListener("message", ({ data }) => void plain.push(data));
  const rooms = await within("the subscriptions", Promise.all([ws.subscribe("a"), ws.subscribe("b")]));
  const sent: Promise<unknown>[] = [];
  for (let at = 0; at < Math.max(a.length, b.length, own.length); at++) {
    for (const [topic, texts] of [["a", a], ["b", b]] as const) {
      const message = texts[at];
      if (message !== undefined) void hub.publish(topic, message);
    }
    if (own[at] !== undefined) sent.push(ws.publish("b", `own ${own[at]}`));
    if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, at % 2));
  }
  await Promise.all(sent);
  await Promise.all([hub.publish("a", "end"), hub.publish("b", "end")]);
  const [ofA, ofB] = await Promise.all(rooms.map((room) => within("the end", untilEnd(room))));
  ws.close();
  return { a: ofA ?? [], b: ofB ?? [], plain };
}

async function untilEnd(room: Subscription): Promise<unknown[]> {
  const got: unknown[] = [];
  for await (const { data } of room) {
    if (data === "end") break;
    got.push(data);
  }
  return got;
}

test("whatever connections break, and wherever, each subscription gets its messages once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(run, async (given) => {
      const { a, b, plain } = await play(given);
      const isOwn = (data: unknown): boolean => String(data).startsWith("own ");
      assert.deepEqual(plain, []);
      assert.deepEqual(a, given.a);
      assert.deepEqual(b.filter((data) => !isOwn(data)), given.b.filter((data) => !isOwn(data)));
      assert.deepEqual(b.filter(isOwn), given.own.map((each) => `own ${each}`));
    }),
    { numRuns: 60 },
  );
});
