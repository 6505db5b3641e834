import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { root, run } from "./run.ts";

/** Whether the npm package and the JSR package are fit to be published as they stand. */
export async function checkPackage(): Promise<string | undefined> {
  const { exports } = JSON.parse(await readFile(join(root, "deno.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  const commands: [string, ...string[]][] = [
    ["npm", "run", "build"],
    ["publint", "--strict"],
    // Packs the tarball and resolves every entry point as a consumer's TypeScript would.
    ["attw", "--pack", ".", "--profile", "esm-only", "--no-color", "--no-emoji"],
    ["deno", "publish", "--dry-run", "--allow-dirty"],
    ["deno", "doc", "--lint", ...Object.values(exports)],
  ];
  try {
    for (const [program, ...args] of commands) {
      const { code, output } = await run(program, args);
      if (code !== 0) return `${program} ${args.join(" ")}\n${output}`;
    }
  } finally {
    await rm(join(root, "dist"), { recursive: true, force: true });
  }
  return undefined;
}
