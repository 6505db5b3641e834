import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf, readFiles, type SourceFile } from "./source.ts";

/** The folders of the core, each with those below it: a folder imports from itself and from these. */
const BELOW: Readonly<Record<string, string>> = {
  gen: "",
  base: "",
  wire: "",
  send: "base wire",
  client: "base wire send",
  door: "base wire send client",
  storage: "base",
  history: "base storage",
  hub: "base wire send client door storage",
  rpc: "gen base",
  link: "gen base wire send storage rpc",
  cluster: "gen base wire send client storage hub rpc link",
  distributed: "gen base wire send client door storage hub rpc link cluster",
  testing: "gen base wire send client door storage hub rpc link cluster distributed",
  ".": "gen base wire send client door storage hub rpc link cluster distributed",
  "the client package": "base wire",
};

/** The imports, types included, that point up, sideways or out of the core. */
function wrongImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const own = folderOf(file.path);
    const below = [own, ...(BELOW[own] ?? "").split(" ")];
    return importsOf(file).filter((to) => to.endsWith(".ts") && !below.includes(folderOf(to))).map((to) =>
      `${file.path} > ${to}`
    );
  });
}

function folderOf(path: string): string {
  const [top = "", folder = "", ...rest] = path.split("/");
  if (top === "client") return "the client package";
  return top !== "src" ? `outside ${top}` : rest.length > 0 ? folder : ".";
}

test("imports of the core point one way", () => {
  assert.deepEqual(wrongImports(readFiles("src/**/*.ts", "client/**/*.ts")), []);
  const up = { path: "src/send/frame.ts", text: 'import type { Hub } from "../hub/hub.ts";' };
  assert.deepEqual(wrongImports([up]), ["src/send/frame.ts > src/hub/hub.ts"]);
});
