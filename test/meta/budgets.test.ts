import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import { bundleOf, LOADED_LATER } from "../../tools/size-table.ts";
import { codeOf, readSource } from "./source.ts";

/** The entries that are loaded without a cluster, and how many files of ours they may load. */
const WITHOUT_CLUSTER: Readonly<Record<string, number>> = {
  "src/hub/hub.ts": 100,
  "src/index.ts": 143,
  "adapters/node.ts": 143,
  "adapters/deno.ts": 146,
  "adapters/bun.ts": 119,
};
/** The most bytes of a bundle of a Hub, compressed. A tenth of it are messages that say what to write instead. */
const MAX_HUB_BYTES = 33_200;

/** The most bytes of a DistClient before its first call, compressed; the first call loads Connect and Protobuf. */
const MAX_CLIENT_BYTES = 12_000;

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

test("a bundle of a Hub is small", async () => {
  const { text, gzipped } = await bundleOf("Hub", "src/hub/hub.ts", LOADED_LATER.hub);
  assert.deepEqual(atOnce(text, LOADED_LATER.hub), []);
  assert.ok(gzipped <= MAX_HUB_BYTES, `${gzipped} bytes`);
});

test("a bundle of a DistClient is small before its first call", async () => {
  const { text, gzipped } = await bundleOf("DistClient", "src/index.ts", LOADED_LATER.client);
  assert.deepEqual(atOnce(text, LOADED_LATER.client), []);
  assert.ok(gzipped <= MAX_CLIENT_BYTES, `${gzipped} bytes`);
});

/** The files that a bundle does not load by `import()`. */
function atOnce(text: string, later: readonly string[]): string[] {
  return later.filter((path) => !new RegExp(`import\\([^)]*${path}`).test(text));
}
