import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { codeOf, readSource, root } from "./source.ts";

/** The entries that are loaded without a cluster, and how many files of ours they may load. */
const WITHOUT_CLUSTER: Readonly<Record<string, number>> = {
  "src/hub/hub.ts": 100,
  "src/index.ts": 143,
  "adapters/node.ts": 143,
  "adapters/deno.ts": 146,
  "adapters/bun.ts": 119,
};
/** The most bytes of a bundle of a Hub, compressed. A tenth of it are messages that say what to write instead. */
const MAX_HUB_BYTES = 33_000;

/** The most bytes of a DistClient before its first call, compressed; the first call loads Connect and Protobuf. */
const MAX_CLIENT_BYTES = 11_200;

/** Files that a Hub loads by `import()`: when it has an option, or a client, that needs them. */
const LOADED_LATER: readonly string[] = [
  "deltas-of.ts",
  "histories.ts",
  "resume/protocol.ts",
  "slow-readers.ts",
  "streams.ts",
];

/** Imports that are loaded at the start: those of types alone and `import()` are not. */
const LOADED = /^(?:(?:import|export)\s(?!type\b)[^;"']*?\bfrom|import)\s+["']([^"']+)["']/gm;

/** The files that an entry loads at the start, and the packages. */
function loadedBy(entry: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set([entry]);
  const packages = new Set<string>();
  for (const path of files) {
    for (const [, specifier = ""] of codeOf(readSource(path).text).matchAll(LOADED)) {
      if (specifier.startsWith(".")) files.add(posix.join(posix.dirname(path), specifier));
      else if (!specifier.startsWith("node:")) packages.add(specifier);
    }
  }
  return { files, packages };
}

for (const [entry, maxFiles] of Object.entries(WITHOUT_CLUSTER)) {
  test(`${entry} loads no package, and no more files than it needs`, () => {
    const { files, packages } = loadedBy(entry);
    assert.deepEqual([...packages], []);
    assert.ok(files.size <= maxFiles, `${files.size} files`);
  });
}

test("a package that is loaded at the start is found", () => {
  assert.ok(loadedBy("src/cluster/cluster.ts").packages.has("@bufbuild/protobuf"));
});

test("a bundle of a Hub is small", () => {
  // Without the files that only some hubs load.
  const later = LOADED_LATER.flatMap((path) => ["--external", `*/${path}`]);
  const { text, bytes } = bundled('export { Hub } from "ROOT/src/hub/hub.ts";', later);
  for (const path of LOADED_LATER) assert.match(text, new RegExp(`import\\([^)]*${path}`));
  assert.ok(bytes <= MAX_HUB_BYTES, `${bytes} bytes`);
});

test("a bundle of a DistClient is small before its first call", () => {
  const later = ["*/service-verbs.ts", "*/direct-verbs.ts", "*/presence-stream.ts", "jose"].flatMap((
    path,
  ) => ["--external", path]);
  const { text, bytes } = bundled('export { DistClient } from "ROOT/src/index.ts";', later);
  assert.match(text, /import\([^)]*service-verbs/);
  assert.ok(bytes <= MAX_CLIENT_BYTES, `${bytes} bytes`);
});

/** A minified bundle of a module, in which `ROOT` is the folder of this tree, and its size compressed. */
function bundled(module: string, options: readonly string[]): { text: string; bytes: number } {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-bundle-"));
  try {
    const entry = join(folder, "entry.ts");
    const out = join(folder, "bundle.js");
    writeFileSync(entry, module.replace("ROOT", root));
    const bun = join(root, "node_modules", ".bin", "bun");
    const { status, stderr } = spawnSync(bun, ["build", "--minify", ...options, entry, "--outfile", out]);
    assert.equal(status, 0, String(stderr));
    const text = readFileSync(out);
    return { text: String(text), bytes: gzipSync(text).byteLength };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
