import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Rig } from "./wrong-cluster-rig.ts";
import { ELSEWHERE, WRONG_CLUSTERS } from "./wrong-clusters.ts";
import { lineMatches, wrongClustersPage } from "./wrong-clusters-page.ts";

const root = new URL("../../", import.meta.url);

for (const { title, line, run } of WRONG_CLUSTERS) {
  test(`${title}: says so, and answers honestly`, async () => {
    await using rig = new Rig();
    const seen = await run(rig);
    assert.ok(lineMatches(line, seen), `${JSON.stringify(seen)} is not ${JSON.stringify(line)}`);
    assert.ok(!seen.includes("\n"));
  });
}

test("there are at least twenty wrong clusters, and the rows of other files are proved there", () => {
  assert.ok(WRONG_CLUSTERS.length + ELSEWHERE.length >= 20);
  for (const { file, test: name } of ELSEWHERE) {
    assert.ok(readFileSync(new URL(file, root), "utf8").includes(name), `${file} has no test "${name}"`);
  }
});

test("docs/wrong-clusters.md says what the tests prove", () => {
  const page = readFileSync(new URL("docs/wrong-clusters.md", root), "utf8");
  assert.equal(page, wrongClustersPage(page));
});
