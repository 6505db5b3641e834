import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { root } from "./source.ts";

/** The most bytes that the client package may have, minified and compressed as servers of the web do. */
const MAX_BYTES = 5_000;
/** The most bytes that the part for topics adds when a page asks for it. */
const MAX_TOPICS_BYTES = 2_500;
/** The most bytes that reading deltas adds when a page asks for them. */
const MAX_DELTA_BYTES = 600;

/** The bytes of a bundle, compressed by brotli. */
function bundled(...args: string[]): number {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-size-"));
  try {
    const bundle = join(folder, "client.js");
    const bun = join(root, "node_modules", ".bin", "bun");
    const entry = join(root, "client", "index.ts");
    execFileSync(bun, ["build", entry, "--minify", "--outfile", bundle, ...args], { stdio: "ignore" });
    return brotliCompressSync(readFileSync(bundle)).byteLength;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("meshsocket/client is under 5 kB, minified and compressed, and loads the part for topics when it is used", () => {
  const without = bundled("--external", "*/topics.ts");
  assert.ok(without < MAX_BYTES, `it has ${without} bytes`);
  const topics = bundled("--external", "*/delta.ts") - without;
  assert.ok(topics > 0 && topics < MAX_TOPICS_BYTES, `topics add ${topics} bytes`);
  const delta = bundled() - without - topics;
  assert.ok(delta > 0 && delta < MAX_DELTA_BYTES, `deltas add ${delta} bytes`);
});
