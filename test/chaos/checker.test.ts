/** The chaos run finds nodes that are broken on purpose. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chaosRun } from "../kit/chaos-run.ts";
import { checkEmits, type ConnectionLog, EmitHistory, type SendLog } from "../kit/emit-history.ts";
import type { Defect } from "../kit/node-control.ts";

/** For each defect the faults that bring it to light, and what is found. */
const DEFECTS: readonly (readonly [Defect, readonly string[], RegExp])[] = [
  [
    "release without compare",
    ["clients that connect twice"],
    /could not reach|in vain for all to be online|holders of/,
  ],
  ["retry without dedupe", ["a line held up"], /was received 2 times/],
  ["no inbox window", ["answers lost"], /was received \d times/],
];

/** What comes of a fault depends on its moment: a defect is found by one of so many runs. */
const SEEDS = [1, 2, 3];

for (const [defect, faults, finding] of DEFECTS) {
  test(`nodes with "${defect}" do not pass the chaos run`, async () => {
    const told: string[] = [];
    for (const seed of SEEDS) {
      const { broken } = await chaosRun({ store: "redis", seed, clients: 60, forMs: 1_500, defect, faults });
      if (broken.some((line) => finding.test(line))) return;
      told.push(...broken.slice(0, 3));
    }
    assert.fail(`not found by ${SEEDS.length} runs: ${JSON.stringify(told)}`);
  });
}

test("sound nodes pass the same runs", async () => {
  const faults = [...new Set(DEFECTS.flatMap(([, names]) => names))];
  const { broken } = await chaosRun({ store: "redis", seed: 1, clients: 60, forMs: 1_500, faults });
  assert.deepEqual(broken, []);
});

function history(connection: Partial<ConnectionLog>, sends: readonly Partial<SendLog>[]): EmitHistory {
  const made = new EmitHistory();
  made.connections.push({ id: "a", openedAt: 0, got: [], ...connection });
  const defaults = { sender: "node 1", id: "a", outcome: { value: true } };
  for (const [index, send] of sends.entries()) {
    made.sends.push({ ...defaults, message: `m${index}`, start: index + 1, ...send });
  }
  return made;
}

test("a history in which all was received once and in order is sound", () => {
  const { broken, delivered, exempt } = checkEmits(history({ got: ["m0", "m1"] }, [{}, {}]));
  assert.deepEqual({ broken, delivered, exempt }, { broken: [], delivered: 2, exempt: 0 });
});

test("a loss, a double, a stray, a wrong order and a false denial are found", () => {
  const found = (connection: Partial<ConnectionLog>, sends: readonly Partial<SendLog>[]): string[] => [
    ...checkEmits(history(connection, sends)).broken,
  ];
  assert.deepEqual(found({}, [{}]), ["m0 was reported as delivered, and a never got it"]);
  assert.deepEqual(found({ got: ["m0", "m0"] }, [{}]), ["m0 was received 2 times"]);
  assert.deepEqual(found({ got: ["m0"] }, [{ id: "b", outcome: { value: false } }]), [
    "a got m0, which was not for it",
    "m0 was received, and reported as not delivered",
  ]);
  assert.deepEqual(found({ got: ["m1", "m0"] }, [{}, {}]), ["a got m1 before m0"]);
});

test("a loss is excused by a connection that broke or was left afterwards, and by nothing else", () => {
  assert.equal(checkEmits(history({ closedAt: 9, code: 1006 }, [{}])).exempt, 1);
  assert.equal(checkEmits(history({ closedAt: 9, code: 1000, left: true }, [{}])).exempt, 1);
  // The server closed in order: what it had accepted comes before its close.
  assert.equal(checkEmits(history({ closedAt: 9, code: 1012 }, [{}])).broken.length, 1);
  assert.equal(checkEmits(history({ closedAt: 0, code: 1006 }, [{}])).broken.length, 1);
});
