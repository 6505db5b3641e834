import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readFiles, readSource, root, type SourceFile } from "./source.ts";

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

/** Verbs that each runtime or framework has under the same name, for the same thing. */
const PER_RUNTIME: ReadonlySet<string> = new Set([
  ...["serve", "listen", "upgrade", "upgradeHandler", "UpgradeHandler", "websocket", "attach", "attachApp"],
]);

const DECLARED =
  /^export (?:declare |abstract |async )*(?:class|function\*?|const|let|interface|type|enum) +([A-Za-z_$][\w$]*)/gm;

/** The names of several files' exports that mean several things. */
function ambiguous(files: readonly SourceFile[]): string[] {
  const places = new Map<string, string[]>();
  for (const { path, text } of files) {
    // A function with overloads is declared several times.
    const names = new Set([...text.matchAll(DECLARED)].map(([, name = ""]) => name));
    for (const name of names) places.set(name, [...(places.get(name) ?? []), path]);
  }
  return [...places]
    .filter(([name, paths]) => paths.length > 1 && !PER_RUNTIME.has(name))
    .map(([name, paths]) => `${name}: ${paths.join(", ")}`);
}

test("no name that an entry point exports has two meanings, nor has one of the server's own", () => {
  const server = readFiles("{src,adapters,cli}/**/*.ts").filter(({ path }) => !path.startsWith("src/gen/"));
  assert.deepEqual(ambiguous(server), []);
  const entries = Object.values(denoManifest.exports).map((path) => readSource(path.slice(2)));
  const exported = new Set(entries.flatMap(exportedNames));
  const client = readFiles("client/**/*.ts").map((file) => ({ ...file, text: onlyExported(file.text, exported) }));
  assert.deepEqual(ambiguous([...server, ...client]), []);
});

test("a name with two meanings is found", () => {
  const files = [
    { path: "src/a.ts", text: "export interface Line {}\nexport function serve(): void {}" },
    { path: "src/b.ts", text: "export class Line {}\nexport async function serve(): Promise<void> {}" },
  ];
  assert.deepEqual(ambiguous(files), ["Line: src/a.ts, src/b.ts"]);
});

/** The names that an entry point exports, declared there or elsewhere. */
function exportedNames({ text }: SourceFile): string[] {
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = ""]) => list.split(","));
  const declared = [...text.matchAll(DECLARED)].map(([, name = ""]) => name);
  return [...lists.map((name) => name.replace(/^\s*type /, "").trim()), ...declared];
}

/** The declarations of a file whose name an entry point exports. */
function onlyExported(text: string, exported: ReadonlySet<string>): string {
  return text.replaceAll(DECLARED, (declaration, name: string) => (exported.has(name) ? declaration : ""));
}
