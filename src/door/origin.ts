import { invalidArgument } from "../base/error.ts";

/**
 * From which pages a browser may connect.
 *
 * `"same-origin"`: from pages of this host; `"any"`: from all; a list: from exactly these origins, such as
 * `"https://app.example.com"`. A request without an `Origin` header comes from no page and passes.
 */
export type Origins = "same-origin" | "any" | readonly string[];

/** An origin as browsers write it: a scheme and a host, in lower case, with the port only where it is not the scheme's own. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@\\A-Z]+$/;

/** Throws a TypeError (`invalid_argument`) for a list with an entry that no browser would ever send. */
export function checkOrigins(origins: Origins): void {
  if (origins === "same-origin" || origins === "any") return;
  if (!Array.isArray(origins)) throw invalidArgument('origins is "same-origin", "any" or a list of origins');
  for (const origin of origins) {
    if (typeof origin === "string" && ORIGIN.test(origin) && canonical(origin) === origin) continue;
    throw invalidArgument(`${JSON.stringify(origin)} is not an origin: write it as "https://app.example.com"`);
  }
}

/** Whether a page of `origin` may connect to `host`, the value of the request's Host header. Equal texts only: no patterns. */
export function isAllowedOrigin(origin: string, host: string, origins: Origins): boolean {
  if (origins === "any") return true;
  if (origins !== "same-origin") return origins.includes(origin);
  if (!ORIGIN.test(origin)) return false;
  const scheme = origin.slice(0, origin.indexOf("://"));
  // A proxy may have ended TLS: the page's scheme decides which port goes without saying.
  return origin === canonical(`${scheme}://${host.toLowerCase()}`);
}

function canonical(origin: string): string | undefined {
  const url = URL.parse(origin);
  if (!url) return undefined;
  // Of other schemes (browser extensions, apps in a shell) a URL has no origin.
  return url.origin === "null" ? origin : url.origin;
}
