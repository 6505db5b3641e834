import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../tools/run.ts";
import { readFiles, readSource, root, type SourceFile } from "./source.ts";

/** An example: a module of its own, in which the names of test/kit/examples.d.ts are known. */
interface Example {
  readonly where: string;
  readonly code: string;
}

/** The examples of a file's docstrings. */
function docstringExamples({ path, text }: SourceFile): Example[] {
  return [...text.matchAll(/^ *\* ```ts\n([^]*?)^ *\* ```$/gm)].map(({ index, 1: body = "" }) => ({
    where: `${path}:${text.slice(0, index).split("\n").length}`,
    code: body.replaceAll(/^ *\* ?/gm, ""),
  }));
}

/** What TypeScript has to say about examples, each line with the place of the example. */
async function compile(examples: readonly Example[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "meshsocket-examples-"));
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const [index, { code }] of examples.entries()) {
      writeFileSync(join(folder, `${index}.ts`), `${code}\nexport {};\n`);
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(projectOf()));
    const { output } = await run("tsc", ["-p", folder], { cwd: folder });
    return output.split("\n").filter((line) => /^\d+\.ts/.test(line)).map((line) =>
      line.replace(
        /^(\d+)\.ts\((\d+),\d+\)/,
        (_, index: string, at: string) => `${examples[Number(index)]?.where} line ${at}`,
      )
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function projectOf(): object {
  const { exports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as { exports: Record<string, string> };
  const paths = Object.entries(exports).map(([name, path]) => [`meshsocket${name.slice(1)}`, [join(root, path)]]);
  return {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { paths: Object.fromEntries(paths) as Record<string, string[]>, noUncheckedIndexedAccess: false },
    include: ["*.ts"],
    files: [join(root, "test/kit/examples.d.ts")],
    exclude: [],
  };
}

/** Entry points whose docstring carries an example, with the file that has it. */
const SHOWN: Readonly<Record<string, string>> = {
  Hub: "src/hub/hub.ts",
  DistHub: "src/distributed/dist-hub.ts",
  DistClient: "src/distributed/dist-client.ts",
  serve: "adapters/node.ts",
  Session: "src/client/session.ts",
  MemoryStorage: "src/storage/memory.ts",
  RedisStorage: "src/storage/redis/redis.ts",
  EtcdStorage: "src/storage/etcd/etcd.ts",
  watchPresence: "src/hub/hub.ts",
  request: "src/send/sender.ts",
};

test("every example in a docstring compiles", { timeout: 60_000 }, async () => {
  const examples = readFiles("{src,adapters,client,cli}/**/*.ts").flatMap(docstringExamples);
  assert.notEqual(examples.length, 0);
  assert.deepEqual(await compile(examples), []);
});

test("an example that does not compile is found, with its place", { timeout: 60_000 }, async () => {
  const text = "/**\n * Sends.\n *\n * ```ts\n * await hub.emit(1, 2);\n * ```\n */";
  const [problem] = await compile(docstringExamples({ path: "src/a.ts", text }));
  assert.match(problem ?? "", /^src\/a\.ts:4 line 1: error TS2345/);
});

test("the main entries show an example where people look", () => {
  for (const [name, path] of Object.entries(SHOWN)) {
    const declared = new RegExp(
      `\\/\\*\\*((?:(?!\\*\\/)[^])*)\\*\\/\\s*(?:export )?(?:abstract |async )*(?:class|function|interface|type)? ?${name}\\b`,
    );
    const [, docstring = ""] = declared.exec(readSource(path).text) ?? [];
    assert.ok(docstring.includes("```ts"), `${path}: ${name} has no example in its docstring`);
  }
});
