import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { DEFAULT_LIMITS } from "../../src/base/limits.ts";
import { limitsDoc } from "../../tools/limits-doc.ts";

const root = new URL("../../", import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, root), "utf8");
}

/** The links of a page that lead to nothing. */
function deadLinks(page: string, text: string): string[] {
  const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !existsSync(new URL(target, new URL(page, root))));
}

/** A table without the padding that the formatter gives it. */
function unpadded(text: string): string {
  return text.replace(/ *\| */g, "|").replace(/\|[-|]+\|/g, "|-|").replace(/[ \t]+$/gm, "");
}

test("every link of the pages leads somewhere", () => {
  for (
    const page of [
      "README.md",
      "AGENTS.md",
      "docs/storage.md",
      "docs/limits.md",
      "docs/topics.md",
      "docs/requests.md",
      "docs/testing.md",
    ]
  ) {
    assert.deepEqual(deadLinks(page, read(page)), [], page);
  }
});

test("a link that leads nowhere is found", () => {
  assert.deepEqual(deadLinks("README.md", "[a](src/hub/hub.ts) [b](src/nowhere.ts) [c](https://example.com)"), [
    "src/nowhere.ts",
  ]);
});

test("the page of limits says what the code says, of every limit", () => {
  const doc = limitsDoc(read("src/base/limits.ts"));
  assert.equal(unpadded(read("docs/limits.md")), unpadded(doc));
  for (const name of Object.keys(DEFAULT_LIMITS)) assert.ok(doc.includes(`| \`${name}\` |`), name);
});
