import { existsSync, readFileSync } from "node:fs";

/** A file of the page. */
export interface StaticFile {
  readonly type: string;
  readonly content: Uint8Array<ArrayBuffer>;
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
  const file = { type, content: new Uint8Array(readFileSync(new URL(name, folder()))) };
  read.set(path, file);
  return file;
}

/** The folder of the files, as seen from this file, from a chunk of the built package, and from this file built alone. */
const PLACES: readonly string[] = ["../../cli/dashboard/static/", "../../../cli/dashboard/static/"];

function folder(): URL {
  const found = PLACES.map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  if (found) return found;
  throw new Error(
    "could not find the files of the dashboard: they are in the package meshsocket, so leave it out of a bundle (as an external package)",
  );
}
