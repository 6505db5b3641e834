import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, importsOf, readFiles, type SourceFile } from "./source.ts";

/** Imports that the core may have besides itself: libraries that need nothing but web standards. */
const CORE_IMPORTS = /^(?:src\/|@bufbuild\/protobuf(?:\/|$)|@connectrpc\/connect(?:\/|$)|jose(?:\/|$))/;

/** Libraries that one file of the core, and with it one entry point, may import besides. */
const CORE_EXCEPTIONS: Readonly<Record<string, RegExp>> = {
  "src/storage/redis": /^@upstash\/redis$/,
  "src/metrics/otel": /^@opentelemetry\/api$/,
  "src/hub/topics/deltas-of": /^fossil-delta$/,
};

/** The places where a runtime's own global is looked for, and done without where it is missing. */
const GLOBAL_EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/base/check/check-node.ts": "process",
  "src/base/tick.ts": "setImmediate",
  "src/base/local-address.ts": "process",
  "src/watch/process-load.ts": "process",
};

const RUNTIME_GLOBAL = /(?<![\w$#])(Bun|Deno|Buffer|setImmediate|process(?=\s*[.?[)])|__dirname|require(?=\s*\())/g;

/** What the core uses of a runtime, or of a library that does. */
function runtimeUses(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const exception = Object.entries(CORE_EXCEPTIONS).find(([path]) => file.path.startsWith(path))?.[1];
    const imports = importsOf(file)
      .filter((name) => !CORE_IMPORTS.test(name) && exception?.test(name) !== true)
      .map((name) => `${file.path} imports ${name}`);
    const globals = [...codeOf(file.text, { blankStrings: true }).matchAll(RUNTIME_GLOBAL)]
      .filter(([name]) => GLOBAL_EXCEPTIONS[file.path] !== name)
      .map(([name]) => `${file.path} uses ${name}`);
    return [...imports, ...globals];
  });
}

/** What only one runtime or framework has, by the adapter that may use it. `node:` modules exist on all three. */
const ADAPTER_OWNS: Readonly<Record<string, RegExp>> = {
  bun: /^(?:bun(?::.*)?|Bun)$/,
  deno: /^(?:Deno|jsr:.*|npm:.*)$/,
  hono: /^(?:hono(?:\/.*)?|@hono\/.*)$/,
};

/** What the adapters share and has to know one runtime's defects. */
const ADAPTER_EXCEPTIONS: Readonly<Record<string, string>> = { "adapters/rpc/transport.ts": "Deno" };

/** Which adapters use another runtime than their own, or anything outside the core and themselves. */
function foreignUses(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const own = /^adapters\/(\w+)/.exec(file.path)?.[1] ?? "";
    const code = codeOf(file.text, { blankStrings: true });
    const globals = [...code.matchAll(/(?<![\w$.])(Bun|Deno)(?=\s*[.?])/g)].map(([name]) => name);
    const uses = [...new Set([...importsOf(file), ...globals])];
    return uses
      .filter((use) => ADAPTER_EXCEPTIONS[file.path] !== use)
      .filter((use) =>
        /^(?:test|tools|examples|bench)\//.test(use) ||
        Object.entries(ADAPTER_OWNS).some(([owner, names]) => owner !== own && names.test(use))
      )
      .map((use) => `${file.path} uses ${use}`);
  });
}

test("the core uses no runtime", () => {
  assert.deepEqual(runtimeUses(readFiles("src/**/*.ts")), []);
});

test("a use of a runtime in the core is found", () => {
  const bad = (text: string): string[] => runtimeUses([{ path: "src/hub/hub.ts", text }]);
  assert.deepEqual(bad('import { readFile } from "node:fs/promises";'), ["src/hub/hub.ts imports node:fs/promises"]);
  assert.deepEqual(bad('import "bun";'), ["src/hub/hub.ts imports bun"]);
  assert.deepEqual(bad('const client = await import("@upstash/redis");'), ["src/hub/hub.ts imports @upstash/redis"]);
  assert.deepEqual(bad("export const secret = process.env.SECRET;"), ["src/hub/hub.ts uses process"]);
  assert.deepEqual(bad("globalThis.Deno?.exit(); Buffer.from([]);"), [
    "src/hub/hub.ts uses Deno",
    "src/hub/hub.ts uses Buffer",
  ]);
  assert.deepEqual(bad("setImmediate(run);"), ["src/hub/hub.ts uses setImmediate"]);
  assert.deepEqual(bad('/* Bun. */ const process = "Deno"; // process.env'), []);
  assert.deepEqual(runtimeUses([{ path: "src/storage/redis/redis.ts", text: 'import "@upstash/redis";' }]), []);
});

test("an adapter imports the core and one runtime", () => {
  assert.deepEqual(foreignUses(readFiles("adapters/**/*.ts")), []);
});

test("an adapter that uses another runtime is found", () => {
  const files = [
    { path: "adapters/bun.ts", text: 'import { createServer } from "node:http2"; Bun.serve({});' },
    { path: "adapters/deno.ts", text: 'import { serve } from "bun"; Deno.serve(() => {});' },
    { path: "adapters/node.ts", text: 'import { Hono } from "hono";\nimport "../test/support/kit.ts"; Deno.exit();' },
  ];
  assert.deepEqual(foreignUses(files), [
    "adapters/deno.ts uses bun",
    "adapters/node.ts uses hono",
    "adapters/node.ts uses test/support/kit.ts",
    "adapters/node.ts uses Deno",
  ]);
});
