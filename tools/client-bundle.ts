import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root } from "./run.ts";

/** The client package as one script, as a page loads it. */
export function clientBundle(): string {
  return bundleOf(join(root, "client", "index.ts"));
}

/** A script of a page with all that it imports. */
export function bundleOf(entry: string): string {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-client-"));
  try {
    const file = join(folder, "bundle.js");
    const args = ["build", entry, "--minify", "--outfile", file];
    const env = { ...process.env, NODE_ENV: "production" };
    execFileSync(join(root, "node_modules", ".bin", "bun"), args, { stdio: "ignore", env });
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
