import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf, readFiles, type SourceFile } from "./source.ts";

/** The circles among the files, each as its files in order: those of which each imports each other, types included. */
function circles(files: readonly SourceFile[]): string[][] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const reached = new Map(files.map(({ path }) => [path, reachedFrom(path, imports)]));
  const circleOf = (path: string): string[] => {
    return [...reached.get(path) ?? []].filter((other) => reached.get(other)?.has(path)).toSorted();
  };
  const found = files.map(({ path }) => circleOf(path)).filter(({ length }) => length > 0);
  return [...new Map(found.map((circle) => [circle.join(), circle])).values()];
}

/** The files that a file imports, and those that these import. The file itself is one of them if it is part of a circle. */
function reachedFrom(path: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set<string>();
  const open = [path];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const to of imports.get(next) ?? []) {
      if (reached.has(to)) continue;
      reached.add(to);
      open.push(to);
    }
  }
  return reached;
}

test("no file imports itself by way of others, types included", () => {
  assert.deepEqual(circles(readFiles("{src,adapters,client,cli}/**/*.ts")), []);
});

test("a circle is found, of two files and of three", () => {
  const emit = { path: "src/a/emit.ts", text: 'import type { Hub } from "../b/hub.ts";' };
  const hub = { path: "src/b/hub.ts", text: 'export { emit } from "../a/emit.ts";\nimport "./last.ts";' };
  const last = { path: "src/b/last.ts", text: "export const last = 1;" };
  const back = { path: "src/b/last.ts", text: 'const late = await import("../a/emit.ts");' };
  assert.deepEqual(circles([emit, hub, last]), [["src/a/emit.ts", "src/b/hub.ts"]]);
  assert.deepEqual(circles([emit, hub, back]), [["src/a/emit.ts", "src/b/hub.ts", "src/b/last.ts"]]);
  assert.deepEqual(circles([hub, last]), []);
});
