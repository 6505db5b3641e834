/**
 * Makes scripts of a page out of tests of the client, in the folder of the first argument; run with Bun. They are the same
 * tests: `node:test` collects them for the host, and their scene asks the host for its servers and its network.
 */
import { join } from "node:path";
import process from "node:process";

/** The part of Bun that is used here. */
interface Bundler {
  build(options: {
    entrypoints: readonly string[];
    outdir: string;
    target: "browser";
    splitting: true;
    plugins: readonly { name: string; setup(build: Build): void }[];
  }): Promise<{ success: boolean; logs: readonly unknown[] }>;
}

interface Build {
  onResolve(options: { filter: RegExp }, resolve: () => { path: string }): void;
}

const { Bun: bun } = globalThis as unknown as { Bun: Bundler };
const [outdir = "", ...entrypoints] = process.argv.slice(2);
const kit = (name: string) => (): { path: string } => ({ path: join(import.meta.dirname, name) });

const { success, logs } = await bun.build({
  entrypoints,
  outdir,
  target: "browser",
  splitting: true,
  plugins: [{
    name: "page",
    setup(build) {
      build.onResolve({ filter: /^node:test$/ }, kit("node-test.ts"));
      build.onResolve({ filter: /^node:assert\/strict$/ }, kit("strict-assert.ts"));
      build.onResolve({ filter: /\/client-scene\.ts$/ }, kit("scene.ts"));
    },
  }],
});
if (!success) throw new Error(logs.join("\n"));
