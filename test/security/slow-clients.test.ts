import assert from "node:assert/strict";
import { memoryUsage } from "node:process";
import { test } from "node:test";
import { TestClient } from "../kit/client.ts";
import { until } from "../kit/until.ts";
import { Target } from "./target.ts";

const CLIENTS = 1_000;
const STUCK = 10;
/** How long the broadcast goes on with the stuck ones, before that without them, and the second time if need be. */
const SECONDS = 30;
const ALONE_SECONDS = 5;
const AGAIN_SECONDS = 5;
const AT_ONCE = 50;
const MAX_BUFFERED_BYTES = 1_048_576;
/** What the runtime, the clients in this process and their unread messages may take besides the buffers. */
const MARGIN_BYTES = 384 * 1_048_576;
/** More per second than any client that reads misses. */
const MESSAGE = "x".repeat(16_384);

test("clients that never read are gone with 4008, the others miss nothing, and every drop is counted", async () => {
  const ends: number[] = [];
  const options = { limits: { maxBufferedBytes: MAX_BUFFERED_BYTES } };
  await using target = await Target.start(options, () => ({ onDisconnect: (_, code) => void ends.push(code) }));
  const readers = await crowd(target, CLIENTS - STUCK);
  let [rssMax, heldMax, sent, delivered, dropped, offered, stuck] = [0, 0, 0, 0, 0, 0, 0];
  /** Broadcasts at full speed for those who read; how long each round took. */
  const broadcast = async (seconds: number): Promise<number[]> => {
    const times: number[] = [];
    for (
      const end = performance.now() + seconds * 1_000;
      performance.now() < end || target.hub.size > readers.length;
    ) {
      const since = performance.now();
      offered += target.hub.size;
      const delivery = await target.hub.broadcast(MESSAGE);
      sent++;
      delivered += delivery.delivered;
      dropped += delivery.dropped;
      rssMax = Math.max(rssMax, memoryUsage().rss);
      for (const { bufferedAmount } of target.hub) heldMax = Math.max(heldMax, bufferedAmount);
      await until("the readers", () => readers.every(({ got }) => got >= sent));
      times.push(performance.now() - since);
    }
    return times;
  };
  /** How much longer a round takes with some that are stuck. */
  const slowdown = async (besideSeconds: number): Promise<number> => {
    const alone = p99(await broadcast(ALONE_SECONDS));
    for (let more = 0; more < STUCK; more++, stuck++) (await target.upgraded()).socket.pause();
    await until("all to be there", () => target.hub.size === CLIENTS);
    return p99(await broadcast(besideSeconds)) / alone;
  };

  await broadcast(0);
  const rssBefore = memoryUsage().rss;
  const first = await slowdown(SECONDS);
  assert.ok(heldMax > MAX_BUFFERED_BYTES / 2 && heldMax <= MAX_BUFFERED_BYTES, `held ${heldMax} bytes for a client`);
  assert.ok(
    rssMax - rssBefore < STUCK * MAX_BUFFERED_BYTES + MARGIN_BYTES,
    `grew by ${(rssMax - rssBefore) >> 20} MiB`,
  );
  // Another's load on the machine may fall on one of the two times; the stuck would slow every one of them.
  if (first > 2) assert.ok((await slowdown(AGAIN_SECONDS)) <= 2, `the others' p99 grew ${first} times`);
  assert.equal(delivered + dropped, offered);
  assert.equal(dropped, stuck);
  assert.equal(target.hub.size, readers.length);
  await until("the stuck to be reported", () => ends.length === stuck);
  assert.deepEqual(new Set(ends), new Set([4008]));
  for (const { client } of readers) client.ws.close();
  await until("all to be gone", () => target.hub.size === 0);
});

interface Reader {
  readonly client: TestClient;
  got: number;
}

/** Clients that read, and count what they got. */
async function crowd(target: Target, count: number): Promise<readonly Reader[]> {
  const readers: Reader[] = [];
  while (readers.length < count) {
    const more = Array.from({ length: Math.min(AT_ONCE, count - readers.length) }, () => reader(target.url));
    readers.push(...await Promise.all(more));
  }
  return readers;
}

async function reader(url: string): Promise<Reader> {
  const client = await TestClient.open(url);
  const one = { client, got: 0 };
  client.ws.addEventListener("message", () => {
    one.got++;
    // Not kept, or this process would be what grows.
    (client.waiting as unknown[]).length = 0;
  });
  return one;
}

function p99(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? 0;
}
