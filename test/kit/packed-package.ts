import assert from "node:assert/strict";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root, run } from "../../tools/run.ts";

/** The package as npm packs it, in an empty project with its dependencies, and without those that are optional. */
export interface PackedPackage {
  /** The folder of the project. */
  readonly project: string;
  /** The file of `npx meshsocket`. */
  readonly main: string;
  /** Installs one more dependency. */
  link(dependency: string): void;
  remove(): void;
}

/** Builds, packs and unpacks as `npm install` of the tarball does, with nothing from a network. */
export async function installPacked(): Promise<PackedPackage> {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-cli-"));
  const project = join(folder, "project");
  const modules = join(project, "node_modules");
  const { name, version, dependencies, bin } = await pack(folder);
  mkdirSync(join(modules, name), { recursive: true });
  const tarball = join(folder, `${name}-${version}.tgz`);
  await succeeds("tar", ["-xzf", tarball, "-C", join(modules, name), "--strip-components=1"], root);
  const link = (dependency: string): void => {
    mkdirSync(dirname(join(modules, dependency)), { recursive: true });
    symlinkSync(join(root, "node_modules", dependency), join(modules, dependency));
  };
  for (const dependency of Object.keys(dependencies)) link(dependency);
  mkdirSync(join(modules, ".bin"));
  for (const [command, path] of Object.entries(bin)) {
    chmodSync(join(modules, name, path), 0o755);
    symlinkSync(join("..", name, path), join(modules, ".bin", command));
  }
  writeFileSync(join(project, "package.json"), "{}");
  const main = join(modules, name, "dist", "cli", "main.js");
  return { project, main, link, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** Leaves the tarball in the folder. */
async function pack(folder: string): Promise<Manifest> {
  const source = join(folder, "source");
  mkdirSync(source);
  await succeeds("tsc", ["-p", "tsconfig.build.json", "--outDir", join(source, "dist")], root);
  const manifest = readFileSync(join(root, "package.json"), "utf8");
  writeFileSync(join(source, "package.json"), manifest);
  await succeeds("node", [join(root, "tools/bundle.ts"), source], root);
  for (const name of ["README.md", "LICENSE"]) copyFileSync(join(root, name), join(source, name));
  for (const name of ["proto", "cli/dashboard/static"]) {
    cpSync(join(root, name), join(source, name), { recursive: true });
  }
  await succeeds("npm", ["pack", "--ignore-scripts", "--offline", "--pack-destination", folder], source);
  return JSON.parse(manifest) as Manifest;
}

/** Runs a program; fails if it does, and returns its output. */
export async function succeeds(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output } = await run(command, args, { cwd });
  assert.equal(code, 0, output);
  return output;
}
