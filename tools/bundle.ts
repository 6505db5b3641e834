/**
 * Puts the JavaScript that `tsc` wrote into few files: an entry each, and chunks that they share. Half of the time and of the memory that
 * a start takes is spent on the number of files.
 *
 *   node tools/bundle.ts            dist/ of this tree
 *   node tools/bundle.ts FOLDER     dist/ of another package folder
 */
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { root, run } from "./run.ts";

const PACKAGE = resolve(process.argv[2] ?? root);
const DIST = join(PACKAGE, "dist");
const OUT = join(PACKAGE, "dist-bundled");

/** The files that the package names: what users import, and its command. */
async function entries(): Promise<string[]> {
  const { exports, bin } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")) as {
    exports: Record<string, string | { default: string }>;
    bin: Record<string, string>;
  };
  const named = Object.values(exports).flatMap((entry) => typeof entry === "string" ? [] : [entry.default]);
  return [...named, ...Object.values(bin)].map((path) => join(PACKAGE, path));
}

async function javascript(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile() && one.name.endsWith(".js")).map((one) => join(one.parentPath, one.name));
}

/**
 * Gives classes and functions their own names back: the bundler calls a class that an entry exports `Hub2`, and that name is in
 * every stack and in what `console.log` prints.
 */
async function ownNames(files: readonly string[]): Promise<void> {
  const codes = new Map<string, string>();
  for (const file of files) codes.set(file, await readFile(file, "utf8"));
  const renamed = [...codes.values()].flatMap((code) =>
    [...code.matchAll(/^(?:class|(?:async )?function) (\w+?)2\b/gm)].map(([, name]) => name)
  );
  const names = new Set(renamed.filter((name): name is string => name !== undefined && !(name in globalThis)));
  // A name of which there are two keeps its number.
  for (const code of codes.values()) {
    for (const [, name = ""] of code.matchAll(/^(?:class|(?:async )?function|var|let|const) (\w+)/gm)) {
      names.delete(name);
    }
  }
  const numbered = new RegExp(`\\b(${[...names].join("|")})2\\b`, "g");
  for (const [file, code] of codes) await writeFile(file, code.replace(numbered, "$1"));
}

async function main(): Promise<void> {
  await rm(OUT, { recursive: true, force: true });
  const { code, output } = await run("bun", [
    ...["build", ...(await entries()), "--root", DIST, "--outdir", OUT],
    ...["--target", "node", "--format", "esm", "--splitting", "--packages", "external"],
    ...["--entry-naming", "[dir]/[name].[ext]", "--chunk-naming", "chunks/[name]-[hash].[ext]"],
  ]);
  if (code !== 0) throw new Error(`could not bundle the package: ${output}`);
  await ownNames(await javascript(OUT));
  for (const file of await javascript(DIST)) await rm(file);
  await rename(join(OUT, "chunks"), join(DIST, "chunks"));
  for (const file of await javascript(OUT)) await rename(file, join(DIST, relative(OUT, file)));
  await rm(OUT, { recursive: true, force: true });
}

await main();
