/**
 * Everything that can be checked without running a test.
 *
 *   npm run check                    all of it
 *   npm run check -- types lint      the checks of these names
 */
import { fileURLToPath } from "node:url";
import { checkBreaking, checkGenerated } from "./check-proto.ts";
import { checkPackage } from "./check-package.ts";
import { run } from "./run.ts";

/** One check: undefined when all is well, else what to tell the person who broke it. */
export interface Check {
  name: string;
  run(): Promise<string | undefined>;
}

export const checks: readonly Check[] = [
  { name: "generated", run: checkGenerated },
  { name: "proto", run: () => command("buf", "lint") },
  { name: "breaking", run: checkBreaking },
  { name: "types", run: checkTypes },
  { name: "lint", run: () => command("oxlint", "--type-aware", "--deny-warnings") },
  { name: "fmt", run: checkFormat },
  { name: "package", run: checkPackage },
];

/** Runs the checks in turn and prints a line for each, and the whole output of those that failed. */
export async function runChecks(
  selected: readonly Check[],
): Promise<{ passed: number; failed: number; skipped: number }> {
  const tally = { passed: 0, failed: 0, skipped: 0 };
  for (const check of selected) {
    const started = performance.now();
    const problem = await check.run();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`check ${check.name}: ${problem === undefined ? "ok" : "FAILED"} (${seconds} s)`);
    if (problem === undefined) tally.passed++;
    else {
      tally.failed++;
      console.log(problem.trimEnd());
    }
  }
  return tally;
}

/** The whole tree, the core with nothing but web types, the Bun adapter against Bun's own types, and the scripts of the pages. */
async function checkTypes(): Promise<string | undefined> {
  const projects = ["tsconfig.json", "tsconfig.core.json", "test/types/tsconfig.json", "demo/tsconfig.json"];
  const problems = await Promise.all(projects.map((project) => command("tsc", "-p", project)));
  const found = projects.flatMap((project, index) =>
    problems[index] === undefined ? [] : [`${project}: ${problems[index]}`]
  );
  return found.length === 0 ? undefined : found.join("\n");
}

/** The names of the files that are not formatted; what to change in them is `deno fmt`'s to know. */
async function checkFormat(): Promise<string | undefined> {
  const { code, output } = await run("deno", ["fmt", "--check"]);
  if (code === 0) return undefined;
  const files = [...output.matchAll(/^from (.*):$/gm)].map(([, file]) => file);
  return files.length === 0 ? output : `not formatted: run npm run fmt\n${files.join("\n")}`;
}

async function command(program: string, ...args: string[]): Promise<string | undefined> {
  const { code, output } = await run(program, args);
  return code === 0 ? undefined : `${program} ${args.join(" ")}\n${output}`;
}

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !checks.some((check) => check.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `no check is called ${unknown.join(" or ")}: there are ${checks.map(({ name }) => name).join(", ")}`,
    );
  }
  const { failed } = await runChecks(names.length === 0 ? checks : checks.filter(({ name }) => names.includes(name)));
  process.exitCode = failed > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
