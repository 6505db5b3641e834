/**
 * Writes the table of bench/README.md that says what a start costs, and of what the bundles consist.
 *
 *   npm run build && node tools/size-table.ts
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { withPart } from "./marked.ts";
import { root, run } from "./run.ts";
import { startCosts } from "./start-cost.ts";

/** A minified bundle: its bytes compressed, and by file those that are not. */
export interface Bundle {
  readonly text: string;
  readonly gzipped: number;
  readonly files: Readonly<Record<string, number>>;
}

/** The files that a Hub and a DistClient load by `import()`, when they need them: a bundler puts each into a script of its own. */
export const LOADED_LATER = {
  hub: ["deltas-of.ts", "first-message.ts", "histories.ts", "resume/protocol.ts", "slow-readers.ts", "streams.ts"],
  client: ["direct-verbs.ts", "presence-stream.ts", "service-verbs.ts", "jose"],
} as const;

/** The bundle of an exported name of a file, without what is loaded later. */
export async function bundleOf(name: string, file: string, later: readonly string[]): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-bundle-"));
  try {
    const [entry, out, meta] = [join(folder, "entry.ts"), join(folder, "bundle.js"), join(folder, "meta.json")];
    writeFileSync(entry, `export { ${name} } from ${JSON.stringify(join(root, file))};`);
    const without = later.flatMap((path) => ["--external", path.endsWith(".ts") ? `*/${path}` : path]);
    const { code, output } = await run("bun", [
      ...["build", "--minify", ...without, entry],
      ...["--outfile", out, `--metafile=${meta}`],
    ]);
    if (code !== 0) throw new Error(`could not bundle ${name}: ${output}`);
    const { outputs } = JSON.parse(readFileSync(meta, "utf8")) as { outputs: Record<string, Output> };
    const all = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
    const files = Object.fromEntries(all.map(([path, { bytesInOutput }]) => [path, bytesInOutput]));
    const text = readFileSync(out, "utf8");
    return { text, gzipped: gzipSync(text).byteLength, files };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Output {
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
}

/** The parts of a bundle; a file belongs to the first that matches its path. */
const PARTS: readonly (readonly [part: string, path: RegExp])[] = [
  ["checks of arguments, and the messages that say what to write instead", /src\/base\/check\//],
  ["the door: handshake, origins, proxies, authentication, refusals", /src\/door\//],
  ["resuming, and the words of `meshsocket.v1`", /src\/(?:client\/resume|client\/token|wire)\//],
  ["clients: outbox, handlers, liveness, fan-out, topics", /src\/client\//],
  [
    "the part of presence, history and streams that every hub has",
    /src\/hub\/(?:presence|subscr|history|stream|topics)/,
  ],
  ["the hub itself", /src\/hub\//],
  ["the verbs: arguments, frames, deadlines", /src\/send\//],
  ["everything else", /./],
];

/** The rows of the table of a bundle, the largest part first. */
function rowsOf({ files, text, gzipped }: Bundle): string[] {
  const sums = new Map<string, number>();
  for (const [path, bytes] of Object.entries(files)) {
    const [part = ""] = PARTS.find(([, pattern]) => pattern.test(path)) ?? [];
    sums.set(part, (sums.get(part) ?? 0) + bytes);
  }
  const total = [...sums.values()].reduce((sum, bytes) => sum + bytes, 0);
  const parts = [...sums].sort(([, left], [, right]) => right - left);
  return [
    ...parts.map(([part, bytes]) => `| ${part} | ${kB(bytes)} | ${kB(bytes / total * gzipped)} |`),
    `| **all** | ${kB(text.length)} | **${kB(gzipped)}** |`,
  ];
}

/** The generated part of the page. */
export async function sizeTable(): Promise<string> {
  const [, ...starts] = await startCosts();
  const hub = await bundleOf("Hub", "src/hub/hub.ts", LOADED_LATER.hub);
  const client = await bundleOf("DistClient", "src/index.ts", LOADED_LATER.client);
  const first = await bundleOf("ServiceVerbs", "src/distributed/client/service-verbs.ts", ["jose"]);
  return [
    "| import, above Node alone | ms of processor time | MB |",
    "| --- | --- | --- |",
    ...starts.map(({ name, cost }) => `| ${name} | ${cost.cpuMs.toFixed(0)} | ${cost.megabytes.toFixed(1)} |`),
    "",
    "A `Hub`, without what some hubs load later:",
    "",
    "| part | kB minified | kB compressed, by its share |",
    "| --- | --- | --- |",
    ...rowsOf(hub),
    "",
    `A \`DistClient\` has ${kB(client.gzipped)} kB compressed before its first call. By URL that loads ${
      kB(first.gzipped)
    } kB more,`,
    "Connect and Protobuf most of it.",
  ].join("\n");
}

function kB(bytes: number): string {
  return (bytes / 1_000).toFixed(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(root, "bench", "README.md");
  writeFileSync(
    path,
    withPart(readFileSync(path, "utf8"), "sizes", await sizeTable()),
  );
}
