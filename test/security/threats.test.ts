import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { memoryUsage } from "node:process";
import { test } from "node:test";
import { until } from "../kit/until.ts";
import { within } from "../kit/wait.ts";
import { slowloris } from "./handshake.ts";
import { securityPage } from "./table.ts";
import { Target } from "./target.ts";
import { ALL_IDS, ATTACKS, ELSEWHERE, NOT_OURS } from "./threats.ts";

/** What the attacks may leave behind, the runtime's own growth included. */
const MARGIN_BYTES = 192 * 1_048_576;

const root = new URL("../../", import.meta.url);
const rssAtStart = memoryUsage().rss;

for (const attack of ATTACKS) {
  test(`${attack.id}: ${attack.title}: ${attack.answer}`, async () => {
    await using target = await Target.start();
    await attack.run(target);
    await target.alive();
    await until("no client to be left", () => target.hub.size === 0);
  });
}

test("A6: headers that never end are cut, and others are served meanwhile", async () => {
  await using target = await Target.start();
  const cut = within("the cut", slowloris(target), 25_000);
  await target.alive();
  assert.ok((await cut) <= 20_000);
  await target.alive();
});

test("after all attacks the memory is back within its margin", () => {
  const grown = memoryUsage().rss - rssAtStart;
  assert.ok(grown < MARGIN_BYTES, `grew by ${Math.round(grown / 1_048_576)} MiB`);
});

test("every threat is run here, proved elsewhere, or said not to be ours", () => {
  const named = [...ATTACKS, ...ELSEWHERE, ...NOT_OURS].map(({ id }) => id);
  const inOrder = (ids: readonly string[]): string[] => ids.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  assert.deepEqual(inOrder(named), inOrder(ALL_IDS));
});

test("what is said to be proved elsewhere is", () => {
  for (const { id, file, test: name } of ELSEWHERE) {
    assert.ok(readFileSync(new URL(file, root), "utf8").includes(name), `${id}: ${file} has no test "${name}"`);
  }
});

test("docs/security.md says what the tests prove", () => {
  const page = readFileSync(new URL("docs/security.md", root), "utf8");
  assert.equal(securityPage(page), page);
});
