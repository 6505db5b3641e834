import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf, readFiles, type SourceFile } from "./source.ts";

/** The folders of the core, "." and the client package, with those below: each imports from itself and from these. */
const BELOW: Readonly<Record<string, string>> = {
  "gen base": "",
  wire: "base",
  "send client/": "base wire",
  client: "base wire send",
  door: "base wire send client",
  storage: "base history",
  history: "base send storage",
  hub: "base wire send client door storage history",
  rpc: "gen base",
  link: "gen base wire send storage rpc",
  cluster: "gen base wire send client storage history hub rpc link",
  "watch metrics": "gen base wire send client door storage history hub rpc link cluster",
  "distributed testing .": "gen base wire send client door storage history hub rpc link cluster watch distributed",
};

/** The imports, types included, that point up, sideways or out of the core. */
function wrongImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const own = folderOf(file.path);
    const [, below = ""] = Object.entries(BELOW).find(([folders]) => folders.split(" ").includes(own)) ?? [];
    const isWrong = (to: string): boolean => to.endsWith(".ts") && ![own, ...below.split(" ")].includes(folderOf(to));
    return importsOf(file).filter(isWrong).map((to) => `${file.path} > ${to}`);
  });
}

function folderOf(path: string): string {
  const [top, folder = "", ...rest] = path.split("/");
  if (top !== "src") return `${top}/`;
  return rest.length > 0 ? folder : ".";
}

test("imports of the core point one way", () => {
  assert.deepEqual(wrongImports(readFiles("src/**/*.ts", "client/**/*.ts")), []);
  const up = { path: "src/send/frame.ts", text: 'import type { Hub } from "../hub/hub.ts";' };
  assert.deepEqual(wrongImports([up]), ["src/send/frame.ts > src/hub/hub.ts"]);
});
