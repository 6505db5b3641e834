import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./run.ts";

/** The client package as one script, as a page loads it. */
export function clientBundle(): string {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-client-"));
  try {
    const file = join(folder, "client.js");
    const args = ["build", join(root, "client", "index.ts"), "--minify", "--outfile", file];
    execFileSync(join(root, "node_modules", ".bin", "bun"), args, { stdio: "ignore" });
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
