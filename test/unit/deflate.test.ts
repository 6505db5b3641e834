import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { Concat, concat } from "../../adapters/ws/concat.ts";
import { Deflater } from "../../adapters/ws/deflate.ts";
import { Frame } from "../../src/send/frame.ts";

const OPTIONS = { minBytes: 100, maxBytes: 1_000 };
const REPEATS = "it repeats ".repeat(20);

test("a message is deflated once for all bursts of a turn that have it", () => {
  const deflater = new Deflater(OPTIONS, 15);
  const frame = Frame.of(REPEATS);
  const bytes = deflater.of(frame);
  assert.ok(bytes && bytes.byteLength < 50);
  assert.equal(deflater.of(frame), bytes);
});

test("a burst is made into bytes once for all sockets that share it", async () => {
  const wire = new Concat(new Deflater(OPTIONS, 15));
  const frames = [Frame.of(REPEATS), Frame.of("short")];
  const bytes = wire.of(frames);
  assert.equal(wire.of(frames), bytes);
  await new Promise((resolve) => setImmediate(resolve));
  assert.notEqual(wire.of(frames), bytes, "kept after the turn");
  assert.deepEqual(wire.of(frames), bytes);
});

test("a message is deflated from minBytes to maxBytes, and if it gets smaller", () => {
  const deflater = new Deflater(OPTIONS, 15);
  assert.equal(deflater.of(Frame.of("x".repeat(99))), undefined);
  assert.ok(deflater.of(Frame.of("x".repeat(100))));
  assert.ok(deflater.of(Frame.of("x".repeat(1_000))));
  assert.equal(deflater.of(Frame.of("x".repeat(1_001))), undefined);
  const random = Uint8Array.from({ length: 500 }, (_, index) => (index * 167 + (index * index) % 251) & 255);
  assert.equal(deflater.of(Frame.of(random)), undefined);
});

test("a frame's own settings come before those of the hub", () => {
  const deflater = new Deflater(OPTIONS, 15);
  const [never, always] = [Frame.of(REPEATS), Frame.of(REPEATS)];
  never.compress = null;
  always.compress = { minBytes: 1, maxBytes: 1_000 };
  assert.equal(deflater.of(never), undefined);
  assert.ok(deflater.of(always));
  assert.ok(new Deflater(undefined, 15).of(always));
  assert.equal(new Deflater(undefined, 15).of(Frame.of(REPEATS)), undefined);
});

test("a deflated frame says so in its header, and one that is not is as without compression", () => {
  const wire = new Concat(new Deflater(OPTIONS, 15));
  const bytes = wire.of([Frame.of(REPEATS)]);
  assert.equal(bytes[0], 0xc1);
  const payload = Buffer.concat([bytes.subarray(2), Buffer.of(0, 0, 0xff, 0xff)]);
  assert.equal(inflateRawSync(payload, { finishFlush: 2 }).toString(), REPEATS);
  assert.deepEqual(wire.of([Frame.of("short")]), concat([Frame.of("short")]));
});
