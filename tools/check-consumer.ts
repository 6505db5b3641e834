import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bin, root, run } from "./run.ts";

const RESOLUTIONS = [{ module: "nodenext" }, { module: "esnext", moduleResolution: "bundler" }] as const;
const LIBS = [["ESNext"], ["ESNext", "DOM", "DOM.Iterable", "DOM.AsyncIterable"]] as const;

/** The package that a consumer installs besides the package and its dependencies. */
const TYPES = "@types/node";

/**
 * Whether a project that installed the tarball compiles test/types/consumer, as strictly as TypeScript can, with both kinds
 * of module resolution, with and without DOM; and whether the hello of README.md runs in it as written. The project has
 * only the dependencies that package.json declares.
 */
export async function checkConsumer(tarball: string, folder: string): Promise<string | undefined> {
  const project = join(folder, "consumer");
  try {
    await install(tarball, project);
    for (const resolution of RESOLUTIONS) {
      for (const lib of LIBS) {
        const problem = await compile(project, { ...resolution, lib });
        if (problem !== undefined) return problem;
      }
    }
    return (await namesOf(project)) ?? (await hello(join(project, "hello")));
  } finally {
    await rm(project, { recursive: true, force: true });
  }
}

async function install(tarball: string, project: string): Promise<void> {
  const modules = join(project, "node_modules");
  await mkdir(join(modules, "meshsocket"), { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", join(modules, "meshsocket"), "--strip-components=1"]);
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Record<string, object>;
  for (const name of [...Object.keys({ ...manifest["dependencies"], ...manifest["peerDependencies"] }), TYPES]) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
  await copyFile(join(root, "test/types/consumer/main.ts"), join(project, "main.ts"));
}

async function compile(project: string, options: object): Promise<string | undefined> {
  const compilerOptions = {
    ...options,
    target: "es2023",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ["node"],
    noEmit: true,
  };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
  const { code, output } = await run("tsc", ["-p", project], { cwd: project });
  return code === 0 ? undefined : `a consumer with ${JSON.stringify(options)} does not compile\n${output}`;
}

/** A class that is not called in stacks as it is exported. */
async function namesOf(project: string): Promise<string | undefined> {
  const script = `import * as all from "meshsocket";
    const wrong = Object.entries(all).filter(([name, value]) => typeof value === "function" && value.name !== name);
    console.log(wrong.map(([name, value]) => name + " is called " + value.name).join());`;
  await writeFile(join(project, "names.mjs"), script);
  const { output } = await run("node", ["names.mjs"], { cwd: project });
  return output.trim() === "" ? undefined : `exports have other names inside\n${output}`;
}

/** The first thing that goes wrong when a newcomer follows README.md: `npm init -y`, the file, and the page that it says to open. */
async function hello(folder: string): Promise<string | undefined> {
  const [, code = ""] = /```js\n([^]*?)```/.exec(await readFile(join(root, "README.md"), "utf8")) ?? [];
  await mkdir(folder);
  await run("npm", ["init", "-y"], { cwd: folder });
  await writeFile(join(folder, "hello.mjs"), code.replace("port: 8080", "port: 0"));
  const child = spawn(join(bin, "node"), ["hello.mjs"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  const url = /open (http:\S+?),? /.exec(output)?.[1];
  const page = url && (await (await fetch(url)).text());
  child.kill();
  return page?.includes("new WebSocket") ? undefined : `the hello of README.md does not run as written\n${output}`;
}
