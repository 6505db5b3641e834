import assert from "node:assert/strict";
import { test } from "node:test";
import { readFiles, type SourceFile } from "./source.ts";

/** Turns of phrase that readers have to translate, each with plain English for it. */
const ACCENT: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/^(?:\/\*\*|\*|\/\/) *(?:Who|What) /, "begin with the noun that it is about"],
  [/\bstands? on\b/, "depend on, use"],
  [/(?<!\bthere )\bis no (?!longer\b)/i, "is not a"],
  [/\banew\b/, "again"],
  [/\bfor ever\b/, "forever"],
  [/\bbeside\b/, "besides, next to"],
];

/** The lines of comments, of a page its lines of prose. */
function proseOf({ path, text }: SourceFile): [line: number, text: string][] {
  const lines = text.split("\n").map((line, index): [number, string] => [index + 1, line.trim()]);
  if (path.endsWith(".md")) return lines.filter(([, line]) => !/^(?:\/\/|\*)/.test(line));
  return lines.filter(([, line]) => /^(?:\/\/|\/\*\*?|\*)/.test(line));
}

function accents(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    proseOf(file).flatMap(([number, line]) => {
      const found = ACCENT.find(([pattern]) => pattern.test(line));
      return found ? [`${file.path}:${number}: ${line} (${found[1]})`] : [];
    })
  );
}

test("comments and pages are plain English", () => {
  const written = readFiles(
    "{src,adapters,client,cli,demo,examples,tools}/**/*.ts",
    "*.md",
    "docs/*.md",
    "examples/*.md",
  )
    .filter(({ path }) => !path.startsWith("src/gen/"));
  assert.deepEqual(accents(written), []);
});

test("an accent is found, with plain English for it", () => {
  const text =
    "/** What {@link A} needs. */\n// It stands on B, and is no C.\n/** It is no longer D, and there is no E. */";
  assert.deepEqual(accents([{ path: "src/a.ts", text }]), [
    "src/a.ts:1: /** What {@link A} needs. */ (begin with the noun that it is about)",
    "src/a.ts:2: // It stands on B, and is no C. (depend on, use)",
  ]);
});
