import { anything, checkOptions, isPlain, kindOf, type OptionTable } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";

/**
 * The proxies before this node whose word about the client is taken.
 *
 * A number is how many add to `X-Forwarded-For`, one after the other; 0 (the default) trusts nobody. With `header`
 * `"forwarded"` they add to `Forwarded` (RFC 7239) instead. Their `X-Forwarded-Host` and `X-Forwarded-Proto`, or `host` and
 * `proto`, are the host that pages are compared with and the scheme of the URL that `session` sees. Whatever the client itself wrote there is never believed, as
 * long as the node can be reached through all of them only. A client whose address they hide is not counted by address.
 */
export type TrustProxy = number | { readonly hops: number; readonly header: "x-forwarded-for" | "forwarded" };

/** Facts about a request that the trusted proxies report. */
export interface Forwarded {
  /** The client's IP address; "" when the proxy hides it. */
  readonly address: string;
  /** The host that the client asked for; undefined when nobody tells. */
  readonly host: string | undefined;
}

const MAX_HOPS = 16;
const TRUST: OptionTable<Exclude<TrustProxy, number>> = { hops: anything, header: anything };

/** Throws a TypeError (`invalid_argument`) for an option that cannot be one. */
export function checkTrustProxy(trust: TrustProxy): void {
  if (typeof trust !== "number" && !isPlain(trust)) {
    throw invalidArgument(
      `trustProxy must be an integer from 0 to ${MAX_HOPS}, the number of proxies, not ${kindOf(trust)}`,
    );
  }
  if (typeof trust !== "number") checkOptions<Exclude<TrustProxy, number>>("trustProxy", trust, TRUST, "trustProxy.");
  const { hops, header } = settings(trust);
  if (!Number.isInteger(hops) || hops < 0 || hops > MAX_HOPS) {
    throw invalidArgument(`trustProxy must be an integer from 0 to ${MAX_HOPS}: how many proxies are before this node`);
  }
  if (header !== "x-forwarded-for" && header !== "forwarded") {
    throw invalidArgument('trustProxy.header is "x-forwarded-for" or "forwarded"');
  }
}

/** The address of the client behind the trusted proxies, given the address of the last of them. */
export function behindProxies(headers: Headers, remoteAddress: string, trust: TrustProxy): Forwarded {
  const { hops, header } = settings(trust);
  if (hops === 0) return { address: remoteAddress, host: undefined };
  if (header === "x-forwarded-for") {
    const told = fromTheRight(list(headers.get("x-forwarded-for")), hops);
    const host = fromTheRight(list(headers.get("x-forwarded-host")), hops);
    return { address: told === undefined ? remoteAddress : plainIp(told), host };
  }
  const element = fromTheRight(elements(headers.get("forwarded") ?? ""), hops);
  if (!element) return { address: remoteAddress, host: undefined };
  return { address: plainIp(element.get("for") ?? ""), host: element.get("host") };
}

/** The scheme that the client used, as the trusted proxies report it; undefined when nobody tells. */
export function schemeBehindProxies(headers: Headers, trust: TrustProxy): "http:" | "https:" | undefined {
  const { hops, header } = settings(trust);
  if (hops === 0) return undefined;
  const told = header === "x-forwarded-for"
    ? fromTheRight(list(headers.get("x-forwarded-proto")), hops)
    : fromTheRight(elements(headers.get("forwarded") ?? ""), hops)?.get("proto");
  const [, secure] = /^(?:http|ws)(s?)$/i.exec(told ?? "") ?? [];
  return secure === undefined ? undefined : secure === "" ? "http:" : "https:";
}

function settings(trust: TrustProxy): { hops: number; header: string } {
  return typeof trust === "number" ? { hops: trust, header: "x-forwarded-for" } : trust;
}

/** The entry of the outermost trusted proxy: of `hops` proxies each added one at the end. */
function fromTheRight<Value>(values: readonly Value[], hops: number): Value | undefined {
  return values[Math.max(0, values.length - hops)];
}

function list(header: string | null): string[] {
  return header === null ? [] : header.split(",").map((value) => value.trim());
}

/** The elements of a Forwarded header, their parameters by lower-case name. */
function elements(header: string): ReadonlyMap<string, string>[] {
  return split(header, ",").map((part) => {
    const parameters = new Map<string, string>();
    for (const pair of split(part, ";")) {
      const at = pair.indexOf("=");
      if (at > 0) parameters.set(pair.slice(0, at).trim().toLowerCase(), unquoted(pair.slice(at + 1).trim()));
    }
    return parameters;
  });
}

/**
 * The parts between separators that stand in no quoted string, without empty ones.
 * Read from the end: what a proxy wrote there is well formed, and a quote that the client left open before it must not reach into it.
 */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let end = text.length;
  for (let at = text.length - 1; at >= 0; at--) {
    const char = text[at];
    if (char === '"' && !(quoted && isEscaped(text, at))) quoted = !quoted;
    else if (char === separator && !quoted) {
      parts.push(text.slice(at + 1, end));
      end = at;
    }
  }
  parts.push(text.slice(0, end));
  return parts.filter((part) => part.trim() !== "").reverse();
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes++;
  return backslashes % 2 === 1;
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"')
    ? value.slice(1, -1).replace(/\\(.)/g, "$1")
    : value;
}

/** The IP address in `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`, one mapped into IPv6 as IPv4; "" for anything else. */
export function plainIp(text: string): string {
  const v4 = /^(\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?$/.exec(text)?.[1];
  if (v4 !== undefined) return v4.split(".").every((byte) => Number(byte) < 256) ? v4 : "";
  const v6 = /^(?:\[([\da-f:.]{2,45})\](?::\d{1,5})?|([\da-f:.]{2,45}))$/i.exec(text);
  const name = v6?.[1] ?? v6?.[2];
  // A dual-stack proxy sees mapped addresses: all of them would be one /64.
  if (name !== undefined && /^::ffff:[^:]+$/i.test(name)) return plainIp(name.slice(7));
  return name !== undefined && URL.canParse(`http://[${name}]/`) ? name.toLowerCase() : "";
}
