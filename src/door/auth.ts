import type { CryptoKey, JWTPayload, JWTVerifyOptions } from "jose";
import { refuse } from "./admission.ts";
import { checkOptions, checkText, defined, kindOf, type OptionTable } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import { BEARER_PROTOCOL_PREFIX, offeredProtocols } from "./subprotocol.ts";

const MAX_TOKEN_CHARS = 8_192;
const CLOCK_SKEW_SECONDS = 30;

/**
 * The token of an upgrade request: from `Authorization: Bearer …`, else from a subprotocol that starts with
 * {@link BEARER_PROTOCOL_PREFIX}. Undefined when there is none, or one that cannot be a token (RFC 6750 section 2.1).
 *
 * It does not look at the URL: what stands there ends in the logs of proxies.
 */
export function bearerToken(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  const token = header === null ? fromProtocols(request) : /^bearer +(\S+) *$/i.exec(header)?.[1];
  return token !== undefined && token.length <= MAX_TOKEN_CHARS && /^[\w.~+/-]+=*$/.test(token) ? token : undefined;
}

function fromProtocols(request: Request): string | undefined {
  const offered = offeredProtocols(request).find((protocol) => protocol.startsWith(BEARER_PROTOCOL_PREFIX));
  return offered?.slice(BEARER_PROTOCOL_PREFIX.length);
}

/** Options of {@link verifyBearer}. */
export interface VerifyBearerOptions {
  /** The secret of HS256 tokens, or the public key of an issuer, as WebCrypto or `jose` imports it. */
  key: string | CryptoKey;
  /** The signature algorithms that are accepted. Default: `["HS256"]` for a secret; required with a public key. */
  algorithms?: readonly string[];
  /** The audience that the token must name (`aud`). */
  audience?: string | readonly string[];
  /** The issuer that the token must name (`iss`). */
  issuer?: string | readonly string[];
}

/**
 * Checks the JWT of an upgrade request, or a token that came on its own, as `onToken` of a session gets it: its claims, or the
 * Response (401) with which to refuse the upgrade.
 *
 * The token must be signed by the key and have an expiry, which may be 30 seconds past for clocks that differ.
 * Why a token is refused is not told.
 *
 * ```ts
 * import { type SessionFactory, verifyBearer } from "meshsocket";
 *
 * const session: SessionFactory = async (request) => {
 *   const claims = await verifyBearer(request, { key: secret, audience: "chat" });
 *   if (claims instanceof Response) return claims;
 *   return { id: claims.sub, expiresAt: 1000 * (claims.exp ?? 0) };
 * };
 * ```
 *
 * @throws TypeError `invalid_argument` for an empty secret, or a public key without `algorithms`.
 */
export async function verifyBearer(
  from: Request | string,
  options: VerifyBearerOptions,
): Promise<JWTPayload | Response> {
  checkOptions<VerifyBearerOptions>("options", options, BEARER_OPTIONS);
  const { key, algorithms = typeof key === "string" ? ["HS256"] : undefined } = options;
  if (!algorithms?.length) throw invalidArgument("a public key needs algorithms, the list of those that are accepted");
  const token = typeof from === "string" ? from : bearerToken(from);
  if (token === undefined) return refuse(401, "a bearer token is required", { "www-authenticate": "Bearer" });
  // Loaded by the first token: a start does not need it.
  const { jwtVerify } = await import("jose");
  try {
    const verifyOptions: JWTVerifyOptions = {
      algorithms: [...algorithms],
      requiredClaims: ["exp"],
      clockTolerance: CLOCK_SKEW_SECONDS,
      ...(options.audience !== undefined && { audience: listOf(options.audience) }),
      ...(options.issuer !== undefined && { issuer: listOf(options.issuer) }),
    };
    const { payload } = await jwtVerify(
      token,
      typeof key === "string" ? new TextEncoder().encode(key) : key,
      verifyOptions,
    );
    return payload;
  } catch {
    return refuse(401, "the token is not valid", { "www-authenticate": 'Bearer error="invalid_token"' });
  }
}

const BEARER_OPTIONS: OptionTable<VerifyBearerOptions> = {
  key: defined((name, value) => {
    if (typeof value !== "object" || value === null) checkText(name, value);
  }),
  algorithms: (name, value) => {
    if (!Array.isArray(value)) throw invalidArgument(`${name} must be a list such as ["HS256"], not ${kindOf(value)}`);
  },
  audience: defined(checkTexts),
  issuer: defined(checkTexts),
};

function checkTexts(name: string, value: unknown): void {
  for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) checkText(name, each);
}

function listOf(value: string | readonly string[]): string[] {
  return typeof value === "string" ? [value] : [...value];
}
