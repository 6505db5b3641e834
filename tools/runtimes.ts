import { join } from "node:path";
import { bin, run } from "./run.ts";

/** The most one test may take on the runtimes that have such a limit, in milliseconds. */
const TEST_TIMEOUT_MS = 60_000;

/** A runtime that the suite runs on. */
export interface Runtime {
  name: "node" | "bun" | "deno";
  program: string;
  /** The arguments that run one test file and write a JUnit report. */
  args(file: string, report: string): string[];
}

export const runtimes: readonly Runtime[] = [
  {
    name: "node",
    program: join(bin, "node"),
    args: (file, report) => [
      "--test",
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=junit",
      `--test-reporter-destination=${report}`,
      file,
    ],
  },
  {
    name: "bun",
    program: join(bin, "bun"),
    args: (file, report) => [
      "test",
      `--timeout=${TEST_TIMEOUT_MS}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      // Without the dot it is a pattern, not a path.
      `./${file}`,
    ],
  },
  {
    name: "deno",
    program: join(bin, "deno"),
    // Types are checked once, by tsc, and not again by each runtime.
    args: (file, report) => ["test", "--allow-all", "--no-check", `--junit-path=${report}`, file],
  },
];

/** `major.minor.patch` of a runtime; undefined when it does not start. */
export async function versionOf(runtime: Runtime): Promise<string | undefined> {
  const { code, output } = await run(runtime.program, ["--version"]);
  return code === 0 ? /\d+\.\d+\.\d+/.exec(output)?.[0] : undefined;
}
