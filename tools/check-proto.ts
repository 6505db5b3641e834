import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run } from "./run.ts";

/** Whether src/gen is what the generator makes of proto/ now. */
export function checkGenerated(): Promise<string | undefined> {
  return withFolder(async (folder) => {
    const { code, output } = await run("buf", ["generate", "--output", folder]);
    if (code !== 0) return output;
    const [made, committed] = await Promise.all([readTree(join(folder, "src/gen")), readTree(join(root, "src/gen"))]);
    const stale = [...new Set([...made.keys(), ...committed.keys()])].filter((path) =>
      made.get(path) !== committed.get(path)
    );
    return stale.length === 0 ? undefined : `src/gen is stale: run npm run generate\n${stale.join("\n")}`;
  });
}

/**
 * Whether proto/ still speaks what was published: the newest version tag, or before the first one the last commit on main.
 * Works offline; with no earlier commit there is nothing to break.
 */
export function checkBreaking(): Promise<string | undefined> {
  return withFolder(async (folder) => {
    const baseline = await publishedCommit();
    if (baseline === undefined) return undefined;
    const archive = join(folder, "before.tar");
    const packed = await run("git", ["archive", "--output", archive, baseline, "proto", "buf.yaml"]);
    if (packed.code !== 0) return undefined;
    await run("tar", ["-xf", archive, "-C", folder]);
    const { code, output } = await run("buf", ["breaking", "--against", folder]);
    return code === 0 ? undefined : `proto/ breaks what ${baseline} speaks\n${output}`;
  });
}

async function publishedCommit(): Promise<string | undefined> {
  const candidates = [
    ["describe", "--tags", "--abbrev=0", "--match", "v*"],
    ["rev-parse", "--verify", "--quiet", "origin/main"],
    ["rev-parse", "--verify", "--quiet", "main"],
    ["rev-parse", "--verify", "--quiet", "HEAD"],
  ];
  for (const args of candidates) {
    const { code, output } = await run("git", args);
    if (code === 0) return output.trim();
  }
  return undefined;
}

async function readTree(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(
      paths.map(async (
        path,
      ): Promise<[string, string]> => [path.slice(folder.length + 1), await readFile(path, "utf8")]),
    ),
  );
}

async function withFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "meshsocket-check-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
