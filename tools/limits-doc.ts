import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { DEFAULT_LIMITS, type Limits } from "../src/limits.ts";

const HEAD = `# Limits

Every limit of a hub, what happens at it, and its default: \`new Hub({ limits: { maxMessageBytes: 65_536 } })\`. \`Infinity\` takes one away.
This table is written by \`npm run docs\` from [src/limits.ts](../src/limits.ts).

| limit | default | what it bounds, and what happens then |
| --- | --- | --- |
`;

/** The page of limits, from the docstrings of their interface. */
export function limitsDoc(source: string): string {
  const rows = [...source.matchAll(/^ {2}\/\*\* (.*) \*\/\n {2}(\w+): number;/gm)];
  return HEAD + rows.map(([, text = "", name = ""]) => `| \`${name}\` | ${defaultOf(name)} | ${text} |\n`).join("");
}

function defaultOf(name: string): string {
  return DEFAULT_LIMITS[name as keyof Limits].toLocaleString("en").replace("∞", "none");
}

const root = new URL("..", import.meta.url);
if (process.argv[1] && import.meta.url.endsWith(process.argv[1].split("/").at(-1) ?? "")) {
  const page = new URL("docs/limits.md", root);
  writeFileSync(page, limitsDoc(readFileSync(new URL("src/limits.ts", root), "utf8")));
}
