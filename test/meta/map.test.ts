import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSource, root } from "./source.ts";

/** Folders whose own folders have a line each. */
const OPENED: readonly string[] = ["src", "adapters", "test"];

/** What a map names, in backticks, and does not exist: a folder ends in a slash, a file in .ts or .proto. */
function missing(map: string): string[] {
  const named = [...map.matchAll(/`([\w./-]+(?:\/|\.ts|\.proto))`/g)].map(([, path = ""]) => path);
  return named.filter((path) => path.includes("/") && !/NAME|^dist\//.test(path) && !existsSync(join(root, path)));
}

/** The tracked folders that a map has no line for. */
function unmapped(map: string, files: readonly string[]): string[] {
  const folders = new Set(files.flatMap((file) => {
    const [top = "", folder, rest] = file.split("/");
    if (folder === undefined || top.startsWith(".")) return [];
    return OPENED.includes(top) && rest !== undefined ? [`${top}/${folder}/`] : OPENED.includes(top) ? [] : [`${top}/`];
  }));
  return [...folders].filter((folder) => !map.includes(`| \`${folder}\``));
}

test("AGENTS.md names no folder and no file that does not exist", () => {
  assert.deepEqual(missing(readSource("AGENTS.md").text), []);
  assert.deepEqual(missing("`src/hub/hub.ts` `src/nowhere/` `src/hub/nothing.ts`"), [
    "src/nowhere/",
    "src/hub/nothing.ts",
  ]);
});

test("AGENTS.md has a line for every folder", () => {
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
  assert.deepEqual(unmapped(readSource("AGENTS.md").text, files), [], "add a line to the map in AGENTS.md");
  assert.deepEqual(unmapped("| `src/hub/` | one |", ["src/hub/hub.ts", "src/new/a.ts", "other/b.ts"]), [
    "src/new/",
    "other/",
  ]);
});
