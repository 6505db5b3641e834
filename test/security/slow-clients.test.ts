import assert from "node:assert/strict";
import { memoryUsage } from "node:process";
import { test } from "node:test";
import { TestClient } from "../kit/client.ts";
import { until } from "../kit/until.ts";
import { Target } from "./target.ts";

/** `SLOW_CLIENTS=1000 SLOW_SECONDS=30` runs it at full size, and holds the others' times against those without the stuck. */
const FULL = process.env["SLOW_CLIENTS"] !== undefined;
const CLIENTS = Number(process.env["SLOW_CLIENTS"] ?? 200);
const SECONDS = Number(process.env["SLOW_SECONDS"] ?? 3);
const STUCK = Math.max(5, CLIENTS / 100);
const MAX_BUFFERED_BYTES = 1_048_576;
/** What the runtime, the clients in this process and their unread messages may take beside the buffers. */
const MARGIN_BYTES = 384 * 1_048_576;
/** More per second than any client that reads misses. */
const MESSAGE = "x".repeat(16_384);

test("clients that never read are gone with 4008, the others miss nothing, and every drop is counted", async () => {
  const ends: number[] = [];
  const options = { limits: { maxBufferedBytes: MAX_BUFFERED_BYTES } };
  await using target = await Target.start(options, () => ({ onDisconnect: (_, code) => void ends.push(code) }));
  const readers: { client: TestClient; got: number }[] = [];
  while (readers.length < CLIENTS - STUCK) {
    const client = await TestClient.open(target.url);
    const reader = { client, got: 0 };
    // Not kept, or this process would be what grows.
    client.ws.addEventListener("message", () => {
      reader.got++;
      (client.waiting as unknown[]).length = 0;
    });
    readers.push(reader);
  }
  let [rssMax, sent, delivered, dropped, offered] = [0, 0, 0, 0, 0];
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
      await until("the readers", () => readers.every(({ got }) => got >= sent));
      times.push(performance.now() - since);
    }
    return times;
  };

  const alone = FULL ? p99(await broadcast(SECONDS)) : Infinity;
  for (let stuck = 0; stuck < STUCK; stuck++) (await target.upgraded()).socket.pause();
  await until("all to be there", () => target.hub.size === CLIENTS);
  const rssBefore = memoryUsage().rss;
  const beside = p99(await broadcast(SECONDS));
  assert.ok(beside <= 2 * alone, `p99 ${beside} ms beside the stuck, ${alone} ms without them`);
  assert.equal(delivered + dropped, offered);
  assert.equal(dropped, STUCK);
  assert.equal(target.hub.size, readers.length);
  await until("the stuck to be reported", () => ends.length === STUCK);
  assert.deepEqual(new Set(ends), new Set([4008]));
  assert.ok(
    rssMax - rssBefore < STUCK * MAX_BUFFERED_BYTES + MARGIN_BYTES,
    `grew by ${(rssMax - rssBefore) >> 20} MiB`,
  );
  for (const { client } of readers) client.ws.close();
  await until("all to be gone", () => target.hub.size === 0);
});

function p99(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? 0;
}
