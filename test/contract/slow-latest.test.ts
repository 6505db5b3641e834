/** `slowConsumer: "latest"` over real sockets: readers that pause get the newest message of a topic once they read again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { TestClient } from "../kit/client.ts";
import type { RawClient } from "../kit/raw.ts";
import { until } from "../kit/until.ts";
import { Target } from "../security/target.ts";

const OPTIONS: HubOptions = {
  topics: [
    { match: "price:kept", slowConsumer: "latest", history: { messages: 1_000 } },
    { match: "price:*", slowConsumer: "latest" },
  ],
};
const FILLER = "x".repeat(65_536);
/** More than all buffers on the way to a client that does not read have room for, at this size. */
const MOST = 1_000;

const TOPICS = ["price:1", "room"];
const session: SessionFactory = () => ({ onConnect: (client) => client.subscribe(TOPICS), onSubscribe: () => true });

/** Conflated messages so far. */
function conflated({ hub }: Target): number {
  return hub.counters.conflated;
}

/** Publishes numbered prices until a paused reader was spared some; returns the number of the last. */
async function publishUntilConflated(
  target: Target,
  topic: string,
  reader: TestClient,
  paused: number,
): Promise<number> {
  let last = 0;
  while (conflated(target) < 20 * paused && last < MOST) {
    last++;
    await target.hub.publish(topic, `${last} ${FILLER}`);
    await until("the reader", () => reader.waiting.length >= last);
  }
  return last;
}

/** The messages of a raw client, up to and with the one that begins with `last`. */
async function readUpTo(client: RawClient, last: string): Promise<string[]> {
  const got: string[] = [];
  while (got.at(-1) !== last) {
    const frame = await client.next();
    assert.ok(frame, `the connection ended after ${got.length} messages`);
    if (frame.opcode === 1) got.push(frame.payload.toString().replace(` ${FILLER}`, ""));
  }
  return got;
}

for (const paused of [1, 6]) {
  test(`${paused} paused readers get the newest price alone, and all of another topic; others miss nothing`, async () => {
    await using target = await Target.start(OPTIONS, session);
    const reader = await TestClient.open(target.url);
    const stuck = await Promise.all(Array.from({ length: paused }, () => target.upgraded()));
    for (const { socket } of stuck) socket.pause();
    await until("all to be there", () => target.hub.size === paused + 1);
    const last = await publishUntilConflated(target, "price:1", reader, paused);
    const { held } = await target.hub.publish("price:1", "newest");
    assert.equal(held, paused);
    for (const text of ["a", "b"]) await target.hub.publish("room", text);
    await until("the reader", () => reader.waiting.length === last + 3);
    for (const client of stuck) {
      client.socket.resume();
      const got = await readUpTo(client, "newest");
      const prices = got.filter((text) => /^\d/.test(text)).map(Number);
      assert.ok(prices.length < last - 10, `${prices.length} of ${last} prices came`);
      assert.deepEqual(prices, prices.toSorted((a, b) => a - b));
      assert.deepEqual(got.filter((text) => /^[ab]$/.test(text)), ["a", "b"]);
    }
    assert.equal(target.hub.size, paused + 1);
    reader.ws.close();
  });
}

test("a client of meshsocket.v1 that does not acknowledge gets the newest once it does; offsets jump without a gap", async () => {
  await using target = await Target.start(OPTIONS, () => ({ onSubscribe: () => true }));
  const client = await target.connect();
  client.handshake("/ws", { "sec-websocket-protocol": "meshsocket.v1" });
  assert.equal((await client.head()).status, 101);
  const line = async (): Promise<string> => (await client.next())?.payload.toString() ?? "the end";
  assert.match(await line(), /^~hello/);
  client.frame(1, new TextEncoder().encode('~subscribe 1 {"topic":"price:kept"}'));
  assert.match(await line(), /^~subscribed 1 \{.*"latest":true\}$/);
  for (let number = 1; number <= 100; number++) await target.hub.publish("price:kept", `${number} ${FILLER}`);
  for (const offset of [1, 2]) assert.match(await line(), new RegExp(`^~message \\{.*"offset":${offset}\\}\n`));
  assert.equal(conflated(target), 97);
  client.frame(1, new TextEncoder().encode("~ack 3"));
  assert.match(await line(), /^~message \{.*"offset":100\}\n100 x/);
});
