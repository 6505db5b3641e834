/**
 * The whole test suite: the checks, then the same test files on Node, Bun and Deno.
 *
 *   npm test                                   everything
 *   npm test -- --runtime node,bun             on these runtimes only
 *   npm test -- --only unit                    only the folder test/unit
 *   npm test -- --file hub                     only files whose path has "hub" in it
 *   npm test -- --verbose                      one line for each file and runtime
 *   npm test -- --jobs 1                       one file at a time; else all but test/chaos and security run two at a time
 *
 * A narrowed run leaves out the checks (`npm run check`). The last line is `N passed, N failed`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { glob } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checks, runChecks } from "./check.ts";
import { differences, parseJunit, type RuntimeReport, type TestCase } from "./junit.ts";
import { ensurePrograms } from "./programs.ts";
import { killAll, type Outcome, root, run } from "./run.ts";
import { type Runtime, runtimes, versionOf } from "./runtimes.ts";

/** The most that one test file, and that all of them on one runtime, may take. */
const FILE_TIMEOUT_MS = 180_000;
const RUNTIME_TIMEOUT_MS = 1_650_000;
/** Folders with time limits that a busy machine can break: a file that fails there runs once more, alone, and is called flaky. */
const AGAIN = /^test\/(?:unit|contract|cluster|chaos)\//;

/** Folders whose tests wait more than they work, or do not look at the clock: files of them may run side by side. */
const TOGETHER = /^test\/(?:unit|meta|contract|cluster)\//;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const { values: options } = parseArgs({
  options: {
    runtime: { type: "string" },
    only: { type: "string" },
    file: { type: "string" },
    verbose: { type: "boolean", default: false },
    jobs: { type: "string" },
  },
});

/** How many files run side by side, where they may. */
const jobs = Math.max(1, Number(options.jobs ?? Math.min(2, availableParallelism())) || 1);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(130);
  });
}

await main();

async function main(): Promise<void> {
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  if (!options.runtime && !options.only && !options.file) add(total, await runChecks(checks));
  const missing = await ensurePrograms(console.log);
  for (const line of missing) fail(total, line);
  if (missing.length === 0) await runTests(total);
  console.log(summary(total));
  process.exit(total.failed > 0 ? 1 : 0);
}

async function runTests(total: Tally): Promise<void> {
  const files = await testFiles();
  const names = options.runtime?.split(",");
  const reports: RuntimeReport[] = [];
  for (const runtime of runtimes.filter(({ name }) => names?.includes(name) ?? true)) {
    const tests = await runSuite(runtime, files, total);
    reports.push({ runtime: runtime.name, tests });
  }
  if (reports.length === 0) fail(total, `no runtime is called ${options.runtime}`);
  for (const line of differences(reports)) fail(total, `the runtimes differ: ${line}`);
}

async function testFiles(): Promise<string[]> {
  const files = await Array.fromAsync(glob(`test/${options.only ?? "**"}/**/*.test.ts`, { cwd: root }));
  return [...new Set(files)].filter((file) => file.includes(options.file ?? "")).toSorted();
}

/** Runs every file on one runtime, each in a process of its own, and prints the runtime's line. */
async function runSuite(runtime: Runtime, files: readonly string[], total: Tally): Promise<TestCase[]> {
  const version = await versionOf(runtime);
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  const tests: TestCase[] = [];
  const ends = performance.now() + RUNTIME_TIMEOUT_MS;
  const again: string[] = [];
  const runOne = async (file: string): Promise<void> => {
    const left = ends - performance.now();
    if (left <= 0) return fail(tally, `${runtime.name} ${file}: not run, the time for this runtime is over`);
    const isFirst = AGAIN.test(file) && !again.includes(file);
    const found = await runFile(runtime, file, Math.min(left, FILE_TIMEOUT_MS), { tally, isFirst });
    if (found) tests.push(...found);
    else again.push(file);
  };
  const runnable = version === undefined ? [] : files;
  await eachOf(runnable.filter((file) => TOGETHER.test(file)), jobs, runOne);
  await eachOf(runnable.filter((file) => !TOGETHER.test(file)), 1, runOne);
  await eachOf([...again], 1, async (file) => {
    const { failed } = tally;
    await runOne(file);
    if (tally.failed === failed) console.log(`flaky: ${runtime.name} ${file} failed once and passed the second time`);
  });
  if (version === undefined) fail(tally, `${runtime.name} does not start`);
  else if (tests.length === 0) fail(tally, `${runtime.name} ran no test`);
  console.log(`${runtime.name} ${version ?? "?"}: ${summary(tally)}`);
  add(total, tally);
  return tests;
}

/** Does work for each item, for so many at once. */
async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Runs a file. Undefined if it failed and is to run once more, which is said loudly. */
async function runFile(
  runtime: Runtime,
  file: string,
  timeoutMs: number,
  { tally, isFirst }: { readonly tally: Tally; readonly isFirst: boolean },
): Promise<TestCase[] | undefined> {
  const { counts, output, seconds, tests } = await attemptFile(runtime, file, timeoutMs);
  if (counts.failed > 0 && isFirst) {
    console.log(`--- ${runtime.name} ${file}: failed, runs once more\n${output}\n---`);
    return undefined;
  }
  add(tally, counts);
  if (counts.failed > 0) console.log(`--- ${runtime.name} ${file}\n${output}\n---`);
  else if (options.verbose) console.log(`${runtime.name} ${file}: ${summary(counts)} (${seconds.toFixed(1)} s)`);
  return tests;
}

interface Attempt {
  tests: TestCase[];
  counts: Tally;
  /** Its output, after the line that says what is wrong beyond its failed tests. */
  output: string;
  seconds: number;
}

async function attemptFile(runtime: Runtime, file: string, timeoutMs: number): Promise<Attempt> {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-test-"));
  const report = join(folder, "report.xml");
  const outcome = await run(runtime.program, runtime.args(file, report), { timeoutMs });
  const tests = readReport(report);
  rmSync(folder, { recursive: true, force: true });
  const counts = count(tests);
  const problem = problemOf(outcome, counts);
  if (problem !== undefined) counts.failed++;
  const output = `${problem === undefined ? "" : `${problem}\n`}${outcome.output.trimEnd()}`;
  return { tests, counts, output, seconds: outcome.seconds };
}

/** The fault of a file's run beyond its failed tests. */
function problemOf(outcome: Outcome, counts: Tally): string | undefined {
  if (outcome.timedOut) return "killed, its time was over";
  if (outcome.leftBehind) return "left processes behind, which were killed";
  if (outcome.code !== 0 && counts.failed === 0) return `ended with ${outcome.code ?? "a signal"}`;
  return counts.passed + counts.failed + counts.skipped === 0 ? "ran no test" : undefined;
}

function readReport(path: string): TestCase[] {
  try {
    return parseJunit(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
}

function count(tests: readonly TestCase[]): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const { outcome } of tests) tally[outcome]++;
  return tally;
}

function add(total: Tally, more: Tally): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

function fail(tally: Tally, line: string): void {
  tally.failed++;
  console.log(line);
}

function summary({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
