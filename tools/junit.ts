/** One test as a JUnit report tells it. */
export interface TestCase {
  name: string;
  outcome: "passed" | "failed" | "skipped";
}

const TEST_CASE = /<testcase\b((?:\s+[\w:-]+="[^"]*")*)\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const NAME = /\sname="([^"]*)"/;

/**
 * Reads the test cases of a JUnit report as Node, Bun and Deno write it.
 *
 * All three escape `<` in text and `"` in attributes, so that the few tags needed here can be found without a parser.
 */
export function parseJunit(xml: string): TestCase[] {
  return [...xml.matchAll(TEST_CASE)].map(([, attributes = "", body = ""]) => ({
    name: decode(NAME.exec(attributes)?.[1] ?? ""),
    outcome: outcomeOf(body),
  }));
}

function outcomeOf(body: string): TestCase["outcome"] {
  if (/<(failure|error)\b/.test(body)) return "failed";
  return /<skipped\b/.test(body) ? "skipped" : "passed";
}

function decode(text: string): string {
  // Node escapes a quote twice (&amp;quot;): hence the second pass for it.
  return unescape(text).replaceAll("&quot;", '"');
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replaceAll(/&(?:(amp|lt|gt|quot|apos)|#(\d+)|#x([\da-fA-F]+));/g, (_, entity, decimal, hex) => {
    if (entity !== undefined) return ENTITIES[entity as string] ?? "";
    return String.fromCodePoint(decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal));
  });
}

/** The tests that one runtime ran. */
export interface RuntimeReport {
  runtime: string;
  tests: readonly TestCase[];
}

/** The test names that not every runtime ran equally often, each with the runtimes that lack it; empty when all agree. */
export function differences(reports: readonly RuntimeReport[]): string[] {
  const counts = reports.map(({ tests }) => Map.groupBy(tests, (test) => test.name));
  const names = new Set(counts.flatMap((count) => [...count.keys()]));
  const lines: string[] = [];
  for (const name of [...names].toSorted()) {
    const times = counts.map((count) => count.get(name)?.length ?? 0);
    const most = Math.max(...times);
    const lacking = reports.filter((_, index) => (times[index] ?? 0) < most).map(({ runtime }) => runtime);
    if (lacking.length > 0) lines.push(`"${name}" is missing on ${lacking.join(" and ")}`);
  }
  return lines;
}
