import assert from "node:assert/strict";
import { test } from "node:test";
import { readFiles, type SourceFile } from "./source.ts";

/** The most lines a file may have: what one person reads in one sitting. */
const MAX_LINES = 400;

/** Files that are still longer, each with the length that it must not pass. Nothing is ever added here. */
const SHRINKING: Readonly<Record<string, number>> = {};

/** The files that are too long, and the exceptions that are no longer needed. */
function oversized(files: readonly SourceFile[], shrinking: Readonly<Record<string, number>>): string[] {
  const lengths = new Map(files.map(({ path, text }) => [path, text.split("\n").length - 1]));
  const tooLong = [...lengths]
    .filter(([path, lines]) => lines > (shrinking[path] ?? MAX_LINES))
    .map(([path, lines]) => `${path} has ${lines} lines, more than ${shrinking[path] ?? MAX_LINES}`);
  const needless = Object.keys(shrinking)
    .filter((path) => (lengths.get(path) ?? 0) <= MAX_LINES)
    .map((path) => `${path} needs no exception any more`);
  return [...tooLong, ...needless];
}

test("no file is over 400 lines", () => {
  const written = readFiles("{src,adapters,tools,test,examples,bench,demo}/**/*.ts", "*.ts")
    .filter(({ path }) => !path.startsWith("src/gen/") && !path.includes("node_modules/"));
  assert.deepEqual(oversized(written, SHRINKING), []);
});

test("a file that is too long is found", () => {
  const long = { path: "src/hub/hub.ts", text: "\n".repeat(401) };
  assert.deepEqual(oversized([long], {}), ["src/hub/hub.ts has 401 lines, more than 400"]);
  assert.deepEqual(oversized([long], { "src/hub/hub.ts": 401 }), []);
  const short = { path: "src/hub/hub.ts", text: "\n".repeat(400) };
  assert.deepEqual(oversized([short], { "src/hub/hub.ts": 500 }), ["src/hub/hub.ts needs no exception any more"]);
});
