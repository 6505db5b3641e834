import assert from "node:assert/strict";
import { test } from "node:test";
import { Evictions } from "../../src/cluster/evictions.ts";
import { silentLogger } from "../../src/base/log/logger.ts";

const AWAY = { host: "away:1", life: "a" };

/** Evictions towards nodes that do not answer until a test says so. */
function underTest(): { evictions: Evictions; answers: { now: boolean }; done: string[] } {
  const answers = { now: false };
  const evictions = new Evictions({
    logger: silentLogger,
    links: { call: () => (answers.now ? Promise.resolve() : Promise.reject(new Error("no answer"))) },
    node: { has: () => true },
    timeoutMs: 1_000,
    maxWaiting: 2,
  });
  return { evictions, answers, done: [] };
}

async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve));
}

test("an id whose previous holder may not know yet is given up when it was told", async () => {
  const { evictions, answers, done } = underTest();
  evictions.whenTold("alice", () => done.push("nobody to tell"));
  await evictions.evict(AWAY, "alice", 1n);
  evictions.whenTold("alice", () => done.push("alice"));
  evictions.whenTold("bob", () => done.push("bob"));
  evictions.retry();
  await settled();
  assert.deepEqual(done, ["nobody to tell", "bob"]);
  answers.now = true;
  evictions.retry();
  await settled();
  assert.deepEqual(done, ["nobody to tell", "bob", "alice"]);
});

test("an id is given up when the life of the last previous holder who may not know ended", async () => {
  const { evictions, answers, done } = underTest();
  const other = { host: "other:1", life: "o" };
  await evictions.evict(AWAY, "alice", 1n);
  await evictions.evict(AWAY, "alice", 3n);
  await evictions.evict(other, "alice", 4n);
  evictions.whenTold("alice", () => done.push("alice"));
  evictions.forget(AWAY.life);
  assert.equal(done.join(), "");
  evictions.forget(other.life);
  assert.equal(done.join(), "alice");
  // Over the bound nobody is told again, and nothing waits for it.
  for (const id of ["x", "y", "z"]) await evictions.evict(AWAY, id, 5n);
  evictions.whenTold("z", () => done.push("z"));
  assert.equal(done.join(), "alice,z");
  answers.now = true;
});
