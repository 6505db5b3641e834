import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkConsumer } from "./check-consumer.ts";
import { root, run } from "./run.ts";
import { checkStartCosts } from "./start-cost.ts";

/** Whether the npm package and the JSR package are fit to be published as they stand. */
export async function checkPackage(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "meshsocket-pack-"));
  try {
    return (
      (await failureOf("npm", "run", "build")) ??
        (await checkStartCosts()) ??
        (await failureOf("npm", "pack", "--ignore-scripts", "--pack-destination", folder)) ??
        (await checkTarball(join(folder, await tarballName()))) ??
        (await checkConsumer(join(folder, await tarballName()), folder)) ??
        (await failureOf("deno", "publish", "--dry-run", "--allow-dirty")) ??
        (await checkDocs())
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lints the tarball, and resolves each of its entry points and their types as a consumer's TypeScript would. */
async function checkTarball(tarball: string): Promise<string | undefined> {
  return (
    (await failureOf("publint", "run", tarball, "--strict")) ??
      (await failureOf("attw", tarball, "--profile", "esm-only", "--no-color", "--no-emoji"))
  );
}

/** Whether every public name is documented and every type that a signature names is public. */
async function checkDocs(): Promise<string | undefined> {
  const { exports } = JSON.parse(await readFile(join(root, "deno.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  const { output } = await run("deno", ["doc", "--lint", ...Object.values(exports)]);
  const findings = docFindings(output, (path) => readFileSync(path, "utf8"));
  return findings.length === 0 ? undefined : `deno doc --lint\n${findings.join("\n")}`;
}

/**
 * The findings of `deno doc --lint` that a person has to act on, one line each.
 *
 * Left out: generated code; members without a docstring, as many names say it all; types of a library in a signature.
 * A member that is public for our own files only carries `@internal` on a line of its own and is left out by Deno.
 */
export function docFindings(output: string, textOf: (path: string) => string): string[] {
  const findings = output.matchAll(/^error\[([\w-]+)\]: (.*)\n\s*--> (.*):(\d+):(\d+)$/gm);
  return [...findings].flatMap(([, rule, message = "", path = "", line, column]) => {
    if (path.includes("/src/gen/") || (rule === "missing-jsdoc" && column !== "1")) return [];
    const type = /references private type '(\w+)'/.exec(message)?.[1];
    if (type !== undefined && isForeign(type, textOf(path))) return [];
    return [`${path}:${line}: ${message} (${rule})`];
  });
}

/** Whether a file imports the name from a library. */
function isForeign(name: string, text: string): boolean {
  return new RegExp(`\\bimport\\b[^;]*\\b${name}\\b[^;]*\\bfrom "(?!\\.)`).test(text);
}

async function tarballName(): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Record<string, string>;
  return `${name}-${version}.tgz`;
}

async function failureOf(program: string, ...args: string[]): Promise<string | undefined> {
  const { code, output } = await run(program, args);
  return code === 0 ? undefined : `${program} ${args.join(" ")}\n${output}`;
}
