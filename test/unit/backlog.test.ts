import assert from "node:assert/strict";
import { test } from "node:test";
import { Backlog } from "../../src/client/backlog.ts";

test("a backlog gives back in order and knows its size", () => {
  const backlog = new Backlog();
  backlog.push("é");
  backlog.push(new Uint8Array(5));
  assert.deepEqual([backlog.length, backlog.bytes], [2, 7]);
  assert.equal(backlog.shift(), "é");
  assert.deepEqual([backlog.length, backlog.bytes], [1, 5]);
  assert.deepEqual(backlog.shift(), new Uint8Array(5));
  assert.deepEqual([backlog.length, backlog.bytes], [0, 0]);
  assert.throws(() => backlog.shift(), RangeError);
});

test("a backlog keeps its order while it is filled and emptied", () => {
  const backlog = new Backlog();
  let pushed = 0;
  let shifted = 0;
  for (let round = 0; round < 50; round++) {
    for (let index = 0; index < 20; index++) backlog.push(String(pushed++));
    for (let index = 0; index < 19; index++) assert.equal(backlog.shift(), String(shifted++));
  }
  while (backlog.length > 0) assert.equal(backlog.shift(), String(shifted++));
  assert.equal(shifted, pushed);
  assert.equal(backlog.bytes, 0);
});
