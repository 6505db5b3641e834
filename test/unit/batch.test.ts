import assert from "node:assert/strict";
import { test } from "node:test";
import { Batcher } from "../../src/base/batcher.ts";
import { MeshError } from "../../src/base/error.ts";
import { afterTick } from "../../src/base/tick.ts";

/** A batcher whose batches are kept and answered by hand. */
function manual(options?: ConstructorParameters<typeof Batcher>[1]): {
  batcher: Batcher<number, number>;
  batches: { items: number[]; answer(): void; fail(error: unknown): void }[];
} {
  const batches: { items: number[]; answer(): void; fail(error: unknown): void }[] = [];
  const batcher = new Batcher<number, number>((items) => {
    return new Promise((resolve, reject) => {
      batches.push({ items, answer: () => resolve(items.map((item) => item * 10)), fail: reject });
    });
  }, options);
  return { batcher, batches };
}

/** The end of this tick; a time would sometimes come before it. */
const tick = (): Promise<void> => new Promise((resolve) => afterTick(resolve));

test("what one tick adds leaves in one batch, each with its own answer", async () => {
  const { batcher, batches } = manual();
  const answers = Promise.all([1, 2, 3].map((item) => batcher.add(item)));
  assert.equal(batches.length, 0);
  await tick();
  assert.deepEqual(batches.map(({ items }) => items), [[1, 2, 3]]);
  batches[0]?.answer();
  assert.deepEqual(await answers, [10, 20, 30]);
});

test("while a batch is under way the next one grows", async () => {
  const { batcher, batches } = manual();
  const first = batcher.add(1);
  await tick();
  const second = Promise.all([batcher.add(2), batcher.add(3)]);
  await tick();
  assert.equal(batches.length, 1);
  batches[0]?.answer();
  assert.equal(await first, 10);
  await tick();
  assert.deepEqual(batches[1]?.items, [2, 3]);
  batches[1]?.answer();
  assert.deepEqual(await second, [20, 30]);
});

test("spaceMs: the first batch leaves at once, one that is not full only so much later", async () => {
  const { batcher, batches } = manual({ spaceMs: 50, maxItems: 3 });
  const first = batcher.add(1);
  await tick();
  assert.deepEqual(batches.map(({ items }) => items), [[1]]);
  const full = Promise.all([2, 3, 4].map((item) => batcher.add(item)));
  batches[0]?.answer();
  assert.equal(await first, 10);
  await tick();
  assert.deepEqual(batches[1]?.items, [2, 3, 4], "a full one does not wait");
  const leftAtMs = performance.now();
  batches[1]?.answer();
  assert.deepEqual(await full, [20, 30, 40]);
  const last = [batcher.add(5)];
  await tick();
  last.push(batcher.add(6));
  while (batches.length < 3) await tick();
  assert.ok(performance.now() - leftAtMs >= 40, "it left early");
  assert.deepEqual(batches[2]?.items, [5, 6]);
  batches[2]?.answer();
  assert.deepEqual(await Promise.all(last), [50, 60]);
});

test("a batch has at most so many items, and so many are under way", async () => {
  const { batcher, batches } = manual({ maxItems: 2, maxInFlight: 2 });
  const answers = Promise.all([1, 2, 3, 4, 5].map((item) => batcher.add(item)));
  await tick();
  assert.deepEqual(batches.map(({ items }) => items), [[1, 2], [3, 4]]);
  for (let index = 0; index < 3; index++) {
    batches[index]?.answer();
    await tick();
  }
  assert.deepEqual(await answers, [10, 20, 30, 40, 50]);
});

test("a batch that fails rejects all of its items and the next one goes on", async () => {
  const { batcher, batches } = manual();
  const first = Promise.allSettled([batcher.add(1), batcher.add(2)]);
  await tick();
  batches[0]?.fail(new Error("down"));
  assert.deepEqual((await first).map(({ status }) => status), ["rejected", "rejected"]);
  const second = batcher.add(3);
  await tick();
  batches[1]?.answer();
  assert.equal(await second, 30);
});

test("an item that finds the queue full rejects with the given error", async () => {
  const { batcher, batches } = manual({ maxWaiting: 1, full: () => new MeshError("resource_exhausted", "full") });
  const first = batcher.add(1);
  await assert.rejects(batcher.add(2), { code: "resource_exhausted" });
  await tick();
  batches[0]?.answer();
  assert.equal(await first, 10);
});
