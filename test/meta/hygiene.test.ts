import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSource, root, type SourceFile } from "./source.ts";

/** What has no place in a repository, each written so that this file does not match itself. */
const UNWANTED: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["a package registry's host", /\bregistry\.[a-z0-9-]+\.[a-z]{2,}\b|\bdeb\.debian\.[a-z]+\b/],
  ["a download address in the lock file", /"resolved":\s*"https?:/],
  ["a path of one machine", /(?<![\w.$}])\/(?:root|farm|work|home\/\w+|Users\/\w+)\/\w/],
  ["a credential", /_auth[T]oken|BEGIN [A-Z ]*PRIVATE [K]EY/],
];

/** Folders that may hold what looks like it. */
const ALLOWED: readonly string[] = [
  // A key pair for loopback, made for the tests.
  "test/kit/tls/",
];

function unwantedIn(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    ALLOWED.every((folder) => !path.startsWith(folder))
      ? UNWANTED.filter(([, pattern]) => pattern.test(text)).map(([what]) => `${path} holds ${what}`)
      : []
  );
}

test("no tracked file names a registry, a machine's path or a credential", () => {
  const paths = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
  const files = paths.filter((path) => path !== "" && existsSync(join(root, path))).map(readSource);
  assert.notEqual(files.length, 0);
  assert.deepEqual(unwantedIn(files), []);
});

test("a registry, a machine's path and a credential are found", () => {
  const text = ["https://registry", "example", "org/ws"].join(".");
  assert.deepEqual(unwantedIn([{ path: "a.md", text }]), ["a.md holds a package registry's host"]);
  const path = ["cd ", "root", "project"].join("/");
  assert.deepEqual(unwantedIn([{ path: "a.ts", text: path }]), ["a.ts holds a path of one machine"]);
  const line = ["_auth", "Token=x"].join("");
  assert.deepEqual(unwantedIn([{ path: ".npmrc", text: line }]), [".npmrc holds a credential"]);
  assert.deepEqual(unwantedIn([{ path: "b.ts", text: "new URL('../work/a.ts', import.meta.url)" }]), []);
});
