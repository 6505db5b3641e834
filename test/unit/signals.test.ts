import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { followSignals } from "../../src/base/signals.ts";

test("a following signal is aborted with the reason of the first that is aborted", () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const { signal } = followSignals(one.signal, undefined, two.signal);
  assert.equal(signal.aborted, false);
  two.abort(new Error("two"));
  one.abort(new Error("one"));
  assert.equal((signal.reason as Error).message, "two");
  assert.equal(followSignals(one.signal, new AbortController().signal).signal.reason, one.signal.reason);
});

test("a released signal follows nothing, and leaves nothing at a signal that lives on", () => {
  const long = new AbortController();
  for (let count = 0; count < 100; count++) {
    const { signal, release } = followSignals(long.signal, new AbortController().signal);
    release();
    if (count > 0) continue;
    long.signal.addEventListener("abort", () => assert.equal(signal.aborted, false), { once: true });
  }
  assert.equal(getEventListeners(long.signal, "abort").length, 1);
  long.abort();
});
