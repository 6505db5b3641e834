import { readFileSync } from "node:fs";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** Files of this folder that a page is made of: the first at `/`, each at its own name. */
export type Asset = `${string}.${"html" | "css" | "js"}`;

/** Answers requests for the files; undefined for any other. `frames` are the origins that the page may show in frames. */
export function assets(
  files: readonly Asset[],
  options: { frames?: readonly string[] } = {},
): (request: Request) => Response | undefined {
  const [index] = files;
  const bodies = new Map<string, string>(
    files.map((file) => [file, readFileSync(new URL(file, import.meta.url), "utf8")]),
  );
  const policy =
    `default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; ` +
    `form-action 'none'; frame-src ${options.frames?.join(" ") || "'none'"}`;
  return (request) => {
    const file = new URL(request.url).pathname.slice(1) || index || "";
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
