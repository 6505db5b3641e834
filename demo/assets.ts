import { readFileSync } from "node:fs";
import { clientBundle } from "../tools/client-bundle.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** Files of this folder that a page is made of: the first at `/`, each at its own name. */
export type Asset = `${string}.${"html" | "css" | "js"}`;

/** How files are served. */
export interface AssetOptions {
  /** Also the client package, as `client.js`. */
  readonly client?: boolean;
  /** Whether the page shows frames of its own, which connect to other ports of this machine. */
  readonly frames?: boolean;
  /** More paths, each of a file. */
  readonly paths?: Readonly<Record<string, Asset>>;
}

/** Answers requests for the files; undefined for any other. */
export function assets(
  files: readonly Asset[],
  { client = false, frames = false, paths = {} }: AssetOptions = {},
): (request: Request) => Response | undefined {
  const [index] = files;
  const bodies = new Map<string, string>(
    files.map((file) => [file, readFileSync(new URL(file, import.meta.url), "utf8")]),
  );
  if (client) bodies.set("client.js", clientBundle());
  const policy =
    `default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; ` +
    `connect-src 'self'${frames ? " ws://127.0.0.1:*" : ""}; frame-src ${frames ? "'self'" : "'none'"}`;
  return (request) => {
    const path = new URL(request.url).pathname.slice(1);
    const file = paths[path] ?? (path || index || "");
    const body = bodies.get(file);
    if (body === undefined) return undefined;
    const headers = {
      "content-type": TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "",
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
      "cache-control": "no-cache",
    };
    return new Response(request.method === "HEAD" ? null : body, { headers });
  };
}
