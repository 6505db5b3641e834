import { errorCode, MeshError } from "../../base/error.ts";
import type { StorageFinding } from "../storage.ts";

/** Redis answered a command with an error. The message names the host and what to change; it holds no id and no password. */
export class RedisReplyError extends MeshError {
  /** The word that Redis begins an error with: `NOSCRIPT`, `READONLY`, `OOM`, … */
  readonly word: string;
  /** The message in its two parts. */
  readonly finding: StorageFinding;

  /** `said` is Redis' own text. What follows its first quote or bracket may be an id and is left out. */
  constructor(host: string, said: string) {
    const text = withoutValues(said);
    const [, explain = unexplained] = REPLIES.find(([pattern]) => pattern.test(text)) ?? [];
    const finding = explain(host);
    super("unavailable", `${finding.text}: ${finding.fix}`, { cause: new Error(text) });
    this.finding = finding;
    this.word = /^[A-Z]+/.exec(text)?.[0] ?? "";
  }
}

/** Whether a connection is of no more use after this error: the server is not the primary any more, or closes the connection. */
export function endsConnection(error: unknown): boolean {
  if (!(error instanceof RedisReplyError)) return false;
  return ["READONLY", "MASTERDOWN", "CLUSTERDOWN"].includes(error.word) || /Protocol error/.test(String(error.cause));
}

/** The command was not sent, because there was no connection to send it over. */
export class RedisUnsentError extends MeshError {
  constructor(host: string, reason: unknown) {
    const error = unreachable(host, reason);
    super("unavailable", error.message, { cause: error.cause });
  }
}

/** Whether it is certain that a command which failed with this error did nothing. */
export function didNothing(error: unknown): boolean {
  return error instanceof RedisReplyError || error instanceof RedisUnsentError;
}

type Explain = (host: string) => StorageFinding;

const unexplained: Explain = (host) => ({
  text: "the storage answered with an error",
  fix: `see the cause, and the log of Redis at ${host}`,
});

function reply(pattern: RegExp, text: string, fix: string): readonly [RegExp, Explain] {
  return [pattern, (host) => ({ text: text.replaceAll("HOST", host), fix: fix.replaceAll("HOST", host) })];
}

const PRIMARY = "give the address of the primary, or of its Sentinels";

/** The errors of Redis that people meet, each with what to change. */
const REPLIES: readonly (readonly [RegExp, Explain])[] = [
  reply(/^READONLY\b/, "the storage at HOST is read-only, because it is a replica", PRIMARY),
  reply(/^MASTERDOWN\b/, "the storage at HOST is a replica that lost its primary", PRIMARY),
  reply(/^OOM\b/, "the storage at HOST is full", "raise maxmemory of that Redis, or delete other data from it"),
  reply(/^LOADING\b/, "the storage at HOST is still loading its data", "wait until it has started"),
  reply(
    /^MISCONF\b/,
    "the storage at HOST refuses writes, because it could not save to disk",
    "mend its disk, or set stop-writes-on-bgsave-error no",
  ),
  reply(
    /^NOREPLICAS\b/,
    "the storage at HOST refuses writes, because it has too few replicas",
    "mend its replicas, or lower min-replicas-to-write",
  ),
  reply(/^BUSY\b/, "the storage at HOST is busy with a long script", "find out which client runs it"),
  reply(/^CLUSTERDOWN\b/, "the storage at HOST is a Redis Cluster that is down", "see CLUSTER INFO there"),
  reply(
    /^(?:MOVED|ASK|CROSSSLOT)\b/,
    "the storage at HOST is a node of a Redis Cluster",
    'write new RedisStorage({ rootNodes: [{ url: "redis://HOST" }] })',
  ),
  reply(
    /^NOAUTH\b|unauthenticated (?:multi)?bulk length/,
    "the storage at HOST needs a password",
    "write it in the URL, redis://user:password@HOST, or give { url, password }",
  ),
  reply(
    /^WRONGPASS\b(?!.*token)|^ERR (?:invalid password|AUTH\b)/i,
    "the storage at HOST refused the user or the password",
    "compare them with the ACL or the requirepass of that Redis",
  ),
  reply(
    /^WRONGPASS\b|\bunauthorized\b/i,
    "the storage refused the token",
    "compare it with the token of the endpoint at HOST",
  ),
  reply(
    /^NOPERM\b/,
    "the storage at HOST does not permit that to this user",
    "allow the user all commands on the keys that begin with the prefix or with {prefix}",
  ),
  reply(
    /^ERR the endpoint cannot reach its Redis/,
    "the endpoint at HOST cannot reach its Redis",
    "see the output of the endpoint, and whether that Redis runs",
  ),
  reply(/max number of clients/, "the storage at HOST has too many connections", "raise maxclients of that Redis"),
  reply(
    /^DENIED\b/,
    "the storage at HOST is in protected mode",
    "give it a password, or bind it to a private address",
  ),
  reply(
    /(?:unknown|unsupported) command/i,
    "the storage at HOST cannot run scripts (EVALSHA)",
    "use a Redis or Valkey of version 5 or later",
  ),
];

/** The text that clients and Redis before version 7 write in front of an error that a script met. */
const WRAPPING = /^(?:Command failed: )?(?:ERR Error running script .*?@user_script: ?\d+: (?=[A-Z]+ ))?/;

/** The text of Redis, up to what it may quote and without the command that a client adds: both hold ids. */
function withoutValues(said: string): string {
  return said.replace(WRAPPING, "").split(/,? command was|,? with args|['"`[{<]/, 1)[0]?.trim() ?? "";
}

/** The error for a server that gives no answer within the storage's timeout. */
export function tooSlow(host: string, timeoutMs: number, cause?: unknown): MeshError {
  const message = `the storage did not answer in time: ${host} took more than ${Math.round(timeoutMs)} ms`;
  return new MeshError("unavailable", message, { cause });
}

/** The error for a server that does not complete a TLS handshake. */
export function noTls(host: string, timeoutMs: number): MeshError {
  return new MeshError(
    "unavailable",
    `the storage did not answer in time: ${host} completed no TLS handshake within ${Math.round(timeoutMs)} ms. ` +
      "If that server has no TLS, write redis:// instead of rediss://",
  );
}

/** The error for a server that cannot be reached, with the reason as far as it is known. */
export function unreachable(host: string, cause: unknown): MeshError {
  if (errorCode(cause) !== undefined) return cause as MeshError;
  const why = reasonOf(cause);
  const message = `the storage cannot be reached at ${host}${why && `: ${why}`}`;
  return new MeshError("unavailable", message, { cause });
}

/** The error for an answer that no Redis gives to our scripts. */
export function notOurs(host: string, what: string): MeshError {
  const message = `the storage answered something unexpected: ${host} sent ${what}. Is it a Redis? Check the address`;
  return new MeshError("unavailable", message);
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there (ECONNREFUSED)",
  ConnectionRefused: "nothing listens there (ECONNREFUSED)",
  ENOTFOUND: "there is no such name (ENOTFOUND)",
  EAI_AGAIN: "its name cannot be looked up now (EAI_AGAIN)",
  ECONNRESET: "the connection was reset (ECONNRESET)",
  EPIPE: "the connection was closed (EPIPE)",
  EHOSTUNREACH: "there is no way to that host (EHOSTUNREACH)",
  ENETUNREACH: "there is no way to that network (ENETUNREACH)",
  ETIMEDOUT: "the connection took too long (ETIMEDOUT)",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is signed by an unknown authority: give socket: { ca }",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed: give socket: { ca }",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by an unknown authority: give socket: { ca }",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** Why a connection failed, in words; empty if nothing is known. Looks into causes and into the parts of an aggregate. */
function reasonOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 4) return "";
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && code in REASONS) return REASONS[code] ?? "";
  if (/wrong version number|packet length too long/i.test(error.message)) {
    return "it does not speak TLS: write redis:// instead of rediss://";
  }
  if (/closed unexpectedly/i.test(error.message)) {
    return "it closed the connection. If that server wants TLS, write rediss:// instead of redis://";
  }
  if (/client is (?:closed|offline)|disconnects client/i.test(error.message)) {
    return "its connection was closed, because an earlier command got no answer";
  }
  const parts = error instanceof AggregateError ? error.errors as unknown[] : [];
  const inner = [error.cause, ...parts].map((part) => reasonOf(part, depth + 1)).find((reason) => reason !== "");
  return inner ?? (typeof code === "string" && /^\w{1,40}$/.test(code) ? code : "");
}
