/** Writes the table of docs/limits.md from the docstrings of src/base/limits.ts: `npm run docs`. */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DEFAULT_LIMITS, type Limits } from "../src/base/limits.ts";
import { withPart } from "./marked.ts";

/** The page with the table of now, from the source of the interface. */
export function limitsDoc(page: string, source: string): string {
  const limits = [...source.matchAll(/^ {2}\/\*\* (.*) \*\/\n {2}(\w+): number;/gm)];
  const rows = limits.map(([, text = "", name = ""]) => `| \`${name}\` | ${defaultOf(name)} | ${text} |`);
  const head = ["| limit | default | what it bounds, and what happens then |", "| --- | --- | --- |"];
  return withPart(page, "limits", [...head, ...rows].join("\n"));
}

function defaultOf(name: string): string {
  return DEFAULT_LIMITS[name as keyof Limits].toLocaleString("en").replace("∞", "none");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = new URL("..", import.meta.url);
  const path = new URL("docs/limits.md", root);
  const source = readFileSync(new URL("src/base/limits.ts", root), "utf8");
  writeFileSync(path, limitsDoc(readFileSync(path, "utf8"), source));
}
