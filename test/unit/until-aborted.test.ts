import assert from "node:assert/strict";
import { test } from "node:test";
import { untilAborted } from "../../src/base/until-aborted.ts";
import { usedHeapBytes } from "../kit/heap.ts";
import { within } from "../kit/wait.ts";

const ITEMS = 2_000;
const NUMBERS_PER_ITEM = 1_000;

test("an iteration ends when its signal is aborted, also while it waits, and ends its source", async () => {
  const stop = new AbortController();
  let returned = false;
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return: async () => {
        returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const read = Array.fromAsync(untilAborted(source, stop.signal));
  stop.abort();
  assert.deepEqual(await within("the end", read), []);
  assert.equal(returned, true);
  assert.deepEqual(await within("the end", Array.fromAsync(untilAborted(source, stop.signal))), []);
});

test("an iteration passes on every item and the error of its source", async () => {
  async function* source(): AsyncIterable<number> {
    yield 1;
    yield 2;
    throw new Error("the source broke");
  }
  const got: number[] = [];
  await assert.rejects(async () => {
    for await (const item of untilAborted(source(), new AbortController().signal)) got.push(item);
  }, /the source broke/);
  assert.deepEqual(got, [1, 2]);
});

test("an iteration keeps no item that was read, however long it lasts", async () => {
  async function* source(): AsyncIterable<number[]> {
    for (let index = 0; index < ITEMS; index++) yield Array.from({ length: NUMBERS_PER_ITEM }, () => index + 0.5);
  }
  const before = usedHeapBytes();
  let read = 0;
  let grown = 0;
  for await (const item of untilAborted(source(), new AbortController().signal)) {
    read += item.length / NUMBERS_PER_ITEM;
    if (read === ITEMS - 1) grown = usedHeapBytes() - before;
  }
  assert.equal(read, ITEMS);
  // All of them together are over 16 MB.
  assert.ok(grown < 4_000_000, `${grown} bytes more are in use`);
});
