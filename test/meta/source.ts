import { globSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A file of the tree: its path from the root, with slashes, and its text. */
export interface SourceFile {
  path: string;
  text: string;
}

/** The files that match any of the patterns, in order of their paths. */
export function readFiles(...patterns: string[]): SourceFile[] {
  const paths = globSync(patterns, { cwd: root }).map((path) => path.replaceAll("\\", "/"));
  return [...new Set(paths)].toSorted().map(readSource);
}

/** One file by its path from the root. */
export function readSource(path: string): SourceFile {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

const COMMENTS_AND_STRINGS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

/** The text without comments; without the contents of its strings too, if asked. */
export function codeOf(text: string, options: { blankStrings?: boolean } = {}): string {
  return text.replaceAll(COMMENTS_AND_STRINGS, (part) => {
    if (part.startsWith("/")) return " ";
    return options.blankStrings === true ? '""' : part;
  });
}

const IMPORT = /\b(?:import|export)\b(?:[^"'`;]*?\bfrom)?\s*\(?\s*["']([^"']+)["']/g;

/** What a file imports or re-exports, types included: paths from the root for relative ones, the rest as written. */
export function importsOf({ path, text }: SourceFile): string[] {
  return [...codeOf(text).matchAll(IMPORT)].map(([, specifier = ""]) =>
    specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier
  );
}
