import { existsSync, readFileSync } from "node:fs";

/** A file of the page. */
export interface StaticFile {
  readonly type: string;
  readonly content: Uint8Array;
}

/** The files of the page by their path: nothing else of the disk can be asked for. */
const FILES: Readonly<Record<string, readonly [name: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
  "/uplot.css": ["uplot.css", "text/css; charset=utf-8"],
  "/uplot.js": ["uplot.js", "text/javascript; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/api.js": ["api.js", "text/javascript; charset=utf-8"],
  "/dom.js": ["dom.js", "text/javascript; charset=utf-8"],
  "/overview.js": ["overview.js", "text/javascript; charset=utf-8"],
  "/plots.js": ["plots.js", "text/javascript; charset=utf-8"],
  "/lists.js": ["lists.js", "text/javascript; charset=utf-8"],
  "/subject.js": ["subject.js", "text/javascript; charset=utf-8"],
};

const read = new Map<string, StaticFile>();

/** A file of the page; undefined for any other path. */
export function staticFile(path: string): StaticFile | undefined {
  const known = read.get(path);
  if (known) return known;
  const [name, type] = (Object.hasOwn(FILES, path) ? FILES[path] : undefined) ?? [];
  if (name === undefined || type === undefined) return undefined;
  const file = { type, content: new Uint8Array(readFileSync(locate(name))) };
  read.set(path, file);
  return file;
}

/** Next to the source; the built package has the files where the source has them, three folders above what is built. */
function locate(name: string): URL {
  const near = new URL(`static/${name}`, import.meta.url);
  return existsSync(near) ? near : new URL(`../../../cli/dashboard/static/${name}`, import.meta.url);
}
