import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedMap } from "../../src/base/bounded-map.ts";

test("bounded map: the entry that was set longest ago makes room, and setting one again renews it", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1).set("b", 2).set("a", 3).set("c", 4);
  assert.deepEqual([...map], [["a", 3], ["c", 4]]);
  map.delete("a");
  map.set("d", 5);
  assert.deepEqual([...map], [["c", 4], ["d", 5]]);
});
