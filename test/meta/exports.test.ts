import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSource, root } from "./source.ts";

/** The part of package.json that is compared. */
interface PackageManifest {
  version: string;
  type: string;
  license: string;
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
}

/** The part of deno.json that is compared. */
interface DenoManifest {
  version: string;
  license: string;
  exports: Record<string, string>;
  imports: Record<string, string>;
}

const packageManifest = JSON.parse(readSource("package.json").text) as PackageManifest;
const denoManifest = JSON.parse(readSource("deno.json").text) as DenoManifest;

/** Where the two manifests say different things. */
function manifestDifferences(npm: PackageManifest, deno: DenoManifest): string[] {
  const lines: string[] = [];
  for (const field of ["version", "license"] as const) {
    if (npm[field] !== deno[field]) lines.push(`${field}: ${npm[field]} in package.json, ${deno[field]} in deno.json`);
  }
  if (npm.type !== "module") lines.push("package.json is not of type module");
  const { "./package.json": _, ...entries } = npm.exports;
  for (const name of new Set([...Object.keys(entries), ...Object.keys(deno.exports)])) {
    const built = (deno.exports[name] ?? "?").replace(/^\.\/(.*)\.ts$/, "./dist/$1");
    const expected = { types: `${built}.d.ts`, default: `${built}.js` };
    if (JSON.stringify(entries[name]) !== JSON.stringify(expected)) {
      lines.push(
        `exports["${name}"]: ${JSON.stringify(entries[name])} in package.json, ${deno.exports[name]} in deno.json`,
      );
    }
  }
  const needed = { ...npm.dependencies, ...npm.peerDependencies };
  for (const name of new Set([...Object.keys(needed), ...Object.keys(deno.imports)])) {
    if (deno.imports[name] !== `npm:${name}@${needed[name]}`) {
      lines.push(`${name}: ${needed[name]} in package.json, ${deno.imports[name]} in deno.json`);
    }
  }
  return lines;
}

/** The exports whose source does not exist. */
function missingTargets(deno: DenoManifest, exists: (path: string) => boolean): string[] {
  return Object.values(deno.exports).filter((path) => !exists(path));
}

test("package.json and deno.json have one version, one export list and one list of dependencies", () => {
  assert.deepEqual(manifestDifferences(packageManifest, denoManifest), []);
});

test("every export has its source", () => {
  assert.deepEqual(missingTargets(denoManifest, (path) => existsSync(join(root, path))), []);
});

test("manifests that differ are found", () => {
  const extra = { ...denoManifest, exports: { ...denoManifest.exports, "./extra": "./src/extra.ts" } };
  assert.deepEqual(manifestDifferences(packageManifest, extra), [
    'exports["./extra"]: undefined in package.json, ./src/extra.ts in deno.json',
  ]);
  const moved = { ...denoManifest, version: "9.9.9", imports: { ...denoManifest.imports, jose: "npm:jose@^1.0.0" } };
  assert.equal(manifestDifferences(packageManifest, moved).length, 2);
  const dropped = { ...packageManifest, exports: { ".": "./dist/index.js" } };
  assert.equal(manifestDifferences(dropped, denoManifest).length, Object.keys(denoManifest.exports).length);
  assert.deepEqual(missingTargets(denoManifest, (path) => path !== "./src/index.ts"), ["./src/index.ts"]);
});
