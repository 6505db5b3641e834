/** The checker of guarantee 11 finds what it is for, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CatchUpHistory, checkCatchUp, type Place, type PublishLog, type Reading } from "../kit/catch-up-check.ts";

type Got = readonly [offset: number, epoch?: string, told?: boolean];

function at(offset: number, epoch: string = "a"): Place {
  return { epoch, offset };
}

function reading(got: readonly Got[], more: Partial<Reading> = {}): Reading {
  return {
    reader: "reader",
    topic: "room",
    from: undefined,
    asksAgain: false,
    heldAt: 1,
    ended: true,
    notes: [],
    got: got.map(([offset, epoch = "a", told = false]) => ({
      place: at(offset, epoch),
      message: `${epoch}${offset}`,
      told,
    })),
    ...more,
  };
}

function publish(message: string, place: Place | undefined, more: Partial<PublishLog> = {}): PublishLog {
  return {
    topic: "room",
    message,
    publisher: "node",
    startedAt: 2,
    endedAt: 3,
    ...(place ? { place } : {}),
    ...more,
  };
}

const KEPT = new Map([["room", 10]]);
const LATEST = new Set(["price"]);

function found(
  readings: readonly Reading[],
  publishes: readonly PublishLog[] = [],
  end?: Place,
): readonly string[] {
  const ends = new Map(end ? [["room", end]] : []);
  return checkCatchUp({ readings, publishes, ends, kept: KEPT, latest: LATEST } satisfies CatchUpHistory).broken;
}

test("a history in which all was got once and in order, or a gap was told, is sound", () => {
  const first = reading([[3], [4], [9, "a", true]]);
  const second = reading([[10], [2, "b", true]], { from: at(9), recovered: true });
  const last = reading([[3, "b"], [4, "b"]], { from: at(2, "b"), recovered: true, ended: false });
  const publishes = [publish("b4", at(4, "b")), publish("x", undefined, { code: "unavailable" })];
  assert.deepEqual(found([first, second, last], publishes, at(4, "b")), []);
});

test("a gap that nobody told, a double, a wrong order and an epoch that changed without a word are found", () => {
  assert.match(found([reading([[1], [3]])]).join(), /a silent gap/);
  assert.match(found([reading([[1], [1]])]).join(), /again, or too late/);
  assert.match(found([reading([[2], [1]])]).join(), /again, or too late/);
  assert.match(found([reading([[2], [3, "b"]])]).join(), /was not told/);
  assert.match(found([reading([[5]], { from: at(3), recovered: true })]).join(), /a silent gap/);
  assert.deepEqual(found([reading([[5]], { from: at(3), recovered: false })]), []);
});

test("of a topic with the newest message for slow readers some may be left out, but none comes late, twice or not in the end", () => {
  const ofPrice = (...got: Got[]): Reading => reading(got, { topic: "price", ended: false });
  const end = new Map([["price", at(9)]]);
  const check = (one: Reading): ReturnType<typeof checkCatchUp> => {
    return checkCatchUp({ readings: [one], publishes: [], ends: end, kept: KEPT, latest: LATEST });
  };
  assert.deepEqual([check(ofPrice([1], [4], [9])).broken, check(ofPrice([1], [4], [9])).skipped], [[], 6]);
  assert.match(check(ofPrice([4], [3], [9])).broken.join(), /again, or too late/);
  assert.match(check(ofPrice([4], [4], [9])).broken.join(), /again, or too late/);
  assert.match(check(ofPrice([1], [4])).broken.join(), /which ends at a\/9/);
  assert.match(check(ofPrice([1], [9, "b"])).broken.join(), /was not told/);
});

test("a message that a reader had before is found, unless it asked for it", () => {
  const first = reading([[1], [2], [3]]);
  assert.match(found([first, reading([[3], [4]])]).join(), /and had it/);
  assert.deepEqual(found([first, reading([[3], [4]], { asksAgain: true })]), []);
});

test("a reader that lacks the end, or the first message after its subscription held, is found", () => {
  assert.match(found([reading([[1], [2]], { ended: false })], [], at(3)).join(), /which ends at a\/3/);
  assert.match(found([reading([], { ended: false })], [], at(1)).join(), /up to nothing/);
  assert.match(found([reading([[2]])], [publish("a1", at(1))]).join(), /missed a\/1/);
  assert.deepEqual(found([reading([[2]], { heldAt: 5 })], [publish("a1", at(1))]), []);
});

test("a place with two messages, a message with two places, and one that was refused and read are found", () => {
  assert.match(found([reading([[1]])], [publish("other", at(1))]).join(), /is other and a1/);
  assert.match(found([], [publish("a1", at(1)), publish("a1", at(2))]).join(), /is at a\/1 and at a\/2/);
  assert.deepEqual(found([], [publish("a1", at(1)), publish("a1", at(1, "b"))]), []);
  assert.match(found([reading([[1]])], [publish("a1", undefined, { code: "unavailable" })]).join(), /rejected with/);
  assert.deepEqual(found([reading([[1]])], [publish("a1", undefined, { code: "unknown" })]), []);
  assert.deepEqual(found([reading([[1]])], [publish("a1", undefined)]), []);
});

test("an order that publishers can tell is found: of one node's calls, and of calls that did not overlap", () => {
  const early = publish("a2", at(2), { startedAt: 1, endedAt: 5 });
  const late = publish("a1", at(1), { startedAt: 2, endedAt: 6 });
  assert.match(found([], [early, late]).join(), /of its node/);
  assert.deepEqual(found([], [early, { ...late, publisher: "other" }]), []);
  assert.match(found([], [early, { ...late, publisher: "other", startedAt: 7, endedAt: 8 }]).join(), /had settled/);
});

test("a gap that was told although the history had the messages is counted", () => {
  const needless = (...got: Got[]): number => {
    return checkCatchUp({ readings: [reading(got)], publishes: [], ends: new Map(), kept: KEPT, latest: LATEST })
      .needless.length;
  };
  assert.equal(needless([1], [5, "a", true]), 1);
  assert.equal(needless([1], [50, "a", true]), 0);
  assert.equal(needless([1], [5, "b", true]), 0);
});
