import { kindOf } from "../base/check/check.ts";
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
  if ((origins as unknown) === "*") return checkOrigin(origins);
  if (!Array.isArray(origins)) {
    throw invalidArgument(`origins must be "same-origin", "any" or a list of origins, not ${shown(origins)}`);
  }
  if (origins.length === 0) throw invalidArgument('origins is empty, so no page could connect: write "same-origin"');
  for (const origin of origins as unknown[]) checkOrigin(origin);
}

function checkOrigin(origin: unknown): void {
  if (origin === "*") throw invalidArgument('origins has "*": write origins: "any" to let every page connect');
  if (typeof origin !== "string") throw invalidArgument(`origins must be a list of strings, not of ${kindOf(origin)}`);
  if (origin.includes("*")) {
    throw invalidArgument(
      `origins has ${shown(origin)}, which matches nothing: list each host, there are no wildcards`,
    );
  }
  if (ORIGIN.test(origin) && canonical(origin) === origin) return;
  const meant = URL.parse(origin) ?? URL.parse(`https://${origin}`);
  const fix = meant && meant.origin !== "null" ? meant.origin : "https://app.example.com";
  throw invalidArgument(`origins has ${shown(origin)}, which no browser sends: write ${JSON.stringify(fix)}`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : kindOf(value);
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
