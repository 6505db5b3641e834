import type * as Jose from "jose";
import { BoundedMap } from "../base/bounded-map.ts";
import { anything, checkOptions, defined, type OptionTable, utf8Bytes } from "../base/check/check.ts";
import { invalidArgument, MeshError } from "../base/error.ts";

/** The audience of a token for the Cluster service of any node. */
export const CLUSTER_AUDIENCE = "cluster";

const DEFAULT_TTL_MS = 300_000;
const CLOCK_SKEW_MS = 5_000;
const MAX_TOKEN_CHARS = 4_096;
const MAX_REMEMBERED = 1_024;

/** The secret that the nodes of one cluster share. Of several, the first mints tokens and all are accepted, so that it can be changed without a stop. */
export type Secret = string | readonly string[];

/** Options of {@link createToken}. */
export interface CreateTokenOptions {
  secret: Secret;
  /** The `host:port` of one node, or `"cluster"` for the Cluster service on any node. */
  audience: string;
  /** How long the token is good for, in milliseconds. Default 300,000 (5 minutes). */
  ttlMs?: number;
}

/**
 * A new bearer token for RPC calls: a JWT signed with HS256, with `aud`, `iat` and `exp`.
 *
 * Send it as `authorization: Bearer <token>`. It does not contain the secret. Whoever reads it can use it until it expires.
 *
 * @throws TypeError `invalid_argument` for an empty secret or audience, or a `ttlMs` that is not positive.
 */
export async function createToken(options: CreateTokenOptions): Promise<string> {
  checkOptions<CreateTokenOptions>("options", options, TOKEN_OPTIONS);
  const { audience, ttlMs = DEFAULT_TTL_MS } = options;
  checkAudience(audience);
  checkTtl(ttlMs);
  const [secret] = secretList(options.secret);
  return await mint(await importKey(secret), audience, ttlMs, Date.now());
}

const TOKEN_OPTIONS: OptionTable<CreateTokenOptions> = {
  secret: defined(anything),
  audience: defined(anything),
  ttlMs: anything,
};

/** Whether a secret is shorter than the 32 bytes that HS256 asks for (RFC 7518 section 3.2). It works, but can be guessed sooner. */
export function isWeakSecret(secret: Secret): boolean {
  return secretList(secret).some((each) => utf8Bytes(each) < 32);
}

/** A clock in milliseconds since 1970. */
type Clock = () => number;

/** Options of a {@link TokenMint}. */
export interface TokenMintOptions {
  secret: Secret;
  /** How long each token is good for, in milliseconds. Default 300,000. */
  ttlMs?: number;
  now?: Clock;
}

/** Tokens for outgoing calls: each is used again for its audience until a fifth of its life is left. */
export class TokenMint {
  #key: Promise<CryptoKey>;
  readonly #ttlMs: number;
  readonly #now: Clock;
  readonly #minted = new BoundedMap<string, { readonly at: number; readonly token: Promise<string> }>(MAX_REMEMBERED);

  /** @throws TypeError `invalid_argument` for an empty secret or a `ttlMs` that is not positive. */
  constructor(options: TokenMintOptions) {
    this.#ttlMs = options.ttlMs ?? DEFAULT_TTL_MS;
    checkTtl(this.#ttlMs);
    this.#key = importKey(secretList(options.secret)[0]);
    this.#now = options.now ?? Date.now;
  }

  /** Mints with another secret from now on. @throws TypeError `invalid_argument` for an empty one. */
  rotate(secret: Secret): void {
    this.#key = importKey(secretList(secret)[0]);
    this.#minted.clear();
  }

  /** A token for one node (`host:port`) or for `"cluster"`. */
  async token(audience: string): Promise<string> {
    const now = this.#now();
    const known = this.#minted.get(audience);
    // A clock that was set back makes the token look younger than new: mint again then, too.
    if (known && now >= known.at && now < known.at + this.#ttlMs * 0.8) return await known.token;
    checkAudience(audience);
    const token = this.#key.then((key) => mint(key, audience, this.#ttlMs, now));
    this.#minted.set(audience, { at: now, token });
    return await token;
  }
}

/** Options of a {@link TokenVerifier}. */
export interface TokenVerifierOptions {
  /** Each of them is accepted. */
  secrets: Secret;
  /** The audiences that are meant: this node's `host:port`, `"cluster"`, or both. */
  audiences: readonly string[];
  now?: Clock;
}

/**
 * Checks the `authorization` header of incoming calls.
 *
 * A token that was good once is remembered until it expires, so that seeing it again costs no signature check.
 */
export class TokenVerifier {
  readonly #keys: Promise<CryptoKey>[];
  readonly #audiences: readonly string[];
  readonly #now: Clock;
  readonly #verified = new BoundedMap<string, { readonly audience: string; readonly expiresAt: number }>(
    MAX_REMEMBERED,
  );

  /** @throws TypeError `invalid_argument` for an empty secret or no audience. */
  constructor(options: TokenVerifierOptions) {
    if (options.audiences.length === 0) throw invalidArgument("the audiences must not be empty");
    for (const audience of options.audiences) checkAudience(audience);
    this.#audiences = [...options.audiences];
    this.#keys = secretList(options.secrets).map(importKey);
    this.#now = options.now ?? Date.now;
  }

  /**
   * The audience of the header's token, one of those meant.
   *
   * @throws MeshError `unauthenticated` when the header is missing or malformed, or the token expired, signed with another
   * secret or meant for another node; `permission_denied` for a good token of the Cluster service where only a node's own will do.
   */
  async verify(authorization: string | null | undefined): Promise<string> {
    const token = bearer(authorization);
    const now = this.#now();
    const known = this.#verified.get(token);
    if (known && now < known.expiresAt) return known.audience;
    this.#verified.delete(token);
    const payload = await this.#check(token, now);
    const audience = this.#meant(payload);
    const expiresAt = (payload.exp ?? 0) * 1_000 + CLOCK_SKEW_MS;
    this.#verified.set(token, { audience, expiresAt });
    return audience;
  }

  async #check(token: string, now: number): Promise<Jose.JWTPayload> {
    const { errors: { JWSSignatureVerificationFailed, JWTClaimValidationFailed, JWTExpired }, jwtVerify } =
      await loadJose();
    let last: unknown;
    for (const key of this.#keys) {
      try {
        const { payload } = await jwtVerify(token, await key, {
          algorithms: ["HS256"],
          requiredClaims: ["exp", "aud"],
          clockTolerance: CLOCK_SKEW_MS / 1_000,
          currentDate: new Date(now),
        });
        return payload;
      } catch (error) {
        last = error;
        if (!(error instanceof JWSSignatureVerificationFailed)) break;
      }
    }
    if (last instanceof JWTExpired) throw unauthenticated("the token expired", last);
    if (last instanceof JWTClaimValidationFailed) throw unauthenticated(faultOf(last.claim, last.reason), last);
    throw unauthenticated("the token is not one of this cluster", last);
  }

  #meant(payload: Jose.JWTPayload): string {
    const named = Array.isArray(payload.aud) ? payload.aud : [payload.aud];
    const audience = this.#audiences.find((each) => named.includes(each));
    if (audience !== undefined) return audience;
    if (named.includes(CLUSTER_AUDIENCE)) {
      throw new MeshError(
        "permission_denied",
        `a token for "${CLUSTER_AUDIENCE}" does not open the services of one node`,
      );
    }
    throw unauthenticated("the token is meant for another node");
  }
}

/** The error for a token that has the right secret and is wrong otherwise. */
function faultOf(claim: string, reason: string): string {
  if (claim === "nbf") return "the token is not valid yet: is a clock off?";
  if (reason === "missing" && claim === "exp") return "the token has no end: set exp, as createToken does";
  if (reason === "missing" && claim === "aud") {
    return `the token names no audience: set aud to a node's host:port or to "${CLUSTER_AUDIENCE}"`;
  }
  return `the token's ${claim} is not valid`;
}

function bearer(authorization: string | null | undefined): string {
  if (!authorization) throw unauthenticated("the token is missing: send authorization: Bearer <token>");
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_CHARS) {
    throw unauthenticated("the token is not a JWT made by createToken: send authorization: Bearer <token>");
  }
  return token;
}

async function mint(key: CryptoKey, audience: string, ttlMs: number, now: number): Promise<string> {
  const { SignJWT } = await loadJose();
  return await new SignJWT()
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setAudience(audience)
    .setIssuedAt(Math.floor(now / 1_000))
    .setExpirationTime(Math.ceil((now + ttlMs) / 1_000))
    .sign(key);
}

/** The secrets one by one, the one that mints first. Throws a TypeError (`invalid_argument`) for an empty one. */
export function secretList(secret: Secret, name = "the secret"): readonly [string, ...string[]] {
  const list: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  if (list.length === 0) throw invalidArgument("the list of secrets must not be empty");
  for (const each of list) {
    if (typeof each !== "string") throw invalidArgument(`${name} must be a string, not ${typeof each}`);
    if (each === "") throw invalidArgument(`${name} is empty: set the environment variable that it comes from`);
  }
  return list as [string, ...string[]];
}

/** Loaded by the first token: a start does not need it. */
function loadJose(): Promise<typeof Jose> {
  return import("jose");
}

async function importKey(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["sign", "verify"]);
}

function checkAudience(audience: unknown): void {
  if (typeof audience !== "string" || audience === "") throw invalidArgument("the audience must be a non-empty string");
}

function checkTtl(ttlMs: unknown): void {
  if (typeof ttlMs !== "number" || !(ttlMs > 0 && ttlMs < Infinity)) {
    throw invalidArgument("ttlMs must be a positive number");
  }
}

function unauthenticated(message: string, cause?: unknown): MeshError {
  return new MeshError("unauthenticated", message, cause === undefined ? undefined : { cause });
}
