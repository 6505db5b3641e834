import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { root } from "./source.ts";

/** The most bytes that the client package may have, minified and compressed. */
const MAX_BYTES = 5_000;

test("meshsocket/client is under 5 kB, minified and compressed", () => {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-size-"));
  try {
    const bundle = join(folder, "client.js");
    const bun = join(root, "node_modules", ".bin", "bun");
    const entry = join(root, "client", "index.ts");
    execFileSync(bun, ["build", entry, "--minify", "--outfile", bundle], { stdio: "ignore" });
    const bytes = brotliCompressSync(readFileSync(bundle)).byteLength;
    assert.ok(bytes < MAX_BYTES, `it has ${bytes} bytes`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
