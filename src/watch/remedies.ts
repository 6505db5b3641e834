import { CloseCode } from "../base/close-code.ts";

/** A word for a cause, and what to do about it. */
export interface Remedy {
  readonly cause: string;
  readonly fix: string;
}

/** Why a connection was closed with this code. */
export function closings(code: number): Remedy {
  return CLOSINGS.get(code) ?? { cause: "closed", fix: "docs/configuration.md has the meaning of each close code" };
}

const CLOSINGS: ReadonlyMap<number, Remedy> = new Map([
  [CloseCode.Normal, { cause: "closed", fix: "the conversation was over: the client, or the application, closed it" }],
  [CloseCode.GoingAway, { cause: "closed", fix: "the page was left, or the server went away" }],
  [CloseCode.Abnormal, {
    cause: "connection_lost",
    fix: "the connection broke without a close frame: a client of meshsocket/client comes back by itself",
  }],
  [CloseCode.PolicyViolation, {
    cause: "closed_by_rate",
    fix: "it sent faster than limits.messagesPerSecond, or than its handlers keep up with",
  }],
  [CloseCode.MessageTooBig, { cause: "closed_by_size", fix: "send shorter messages, or raise limits.maxMessageBytes" }],
  [CloseCode.InternalError, {
    cause: "handler_failed",
    fix: 'a handler failed: the log of that node has the error, and handlerError: "report" keeps the client',
  }],
  [CloseCode.ServiceRestart, {
    cause: "node_closed",
    fix: "its node drained: the client should connect to another one",
  }],
  [CloseCode.SlowConsumer, {
    cause: "buffer_full",
    fix: "it read slower than it was sent to: send less, or raise limits.maxBufferedBytes",
  }],
  [CloseCode.Unauthorized, { cause: "refused_by_token", fix: "its first message did not authenticate it" }],
  [CloseCode.IdleTimeout, { cause: "closed_by_idle", fix: "it was silent for limits.idleTimeoutMs" }],
  [CloseCode.Replaced, {
    cause: "taken_over",
    fix: "a newer connection has the same id: give each tab a random id, and all of one person the same user",
  }],
]);

/** Why a connection was refused: the reason of the refusal, and the status or close code. */
export function refusals(reason: string, code: number): Remedy {
  if (reason === "session" && TOKEN_CODES.has(code)) return REFUSALS.get("token") ?? UNKNOWN;
  return REFUSALS.get(reason) ?? { ...UNKNOWN, cause: `refused_by_${reason}` };
}

const TOKEN_CODES: ReadonlySet<number> = new Set([401, 403, CloseCode.Unauthorized, CloseCode.AuthTimeout]);
const UNKNOWN: Remedy = { cause: "refused", fix: "docs/configuration.md has the reasons of refusals" };

const REFUSALS: ReadonlyMap<string, Remedy> = new Map([
  ["origin", {
    cause: "refused_by_origin",
    fix: "let pages of that origin in: new Hub({ origins: [origin] }); behind a proxy see that it passes the Host on",
  }],
  ["token", {
    cause: "refused_by_token",
    fix: "session() or authenticate() refused it: see which token the client sends, and whether it expired",
  }],
  ["session", { cause: "refused_by_session", fix: "session() refused it: the application knows why" }],
  ["address", {
    cause: "refused_by_rate",
    fix: "raise limits.connectsPerSecond or limits.maxConnectionsPerAddress; behind a proxy set trustProxy first",
  }],
  ["pace", { cause: "refused_by_rate", fix: "it sent too fast before it was authenticated" }],
  ["full", { cause: "refused_by_room", fix: "add a node, or raise limits.maxConnections" }],
  ["user", { cause: "refused_by_user", fix: "raise limits.maxClientsPerUser, or close clients of that user" }],
  ["duplicate", {
    cause: "refused_as_duplicate",
    fix: 'another connection has the id, and duplicateIds is "oldest": give each tab an id of its own',
  }],
  ["storage", { cause: "refused_by_storage", fix: "the storage did not answer: npx meshsocket doctor looks at it" }],
  ["timeout", { cause: "refused_by_timeout", fix: "session() or the first message took too long" }],
  ["error", { cause: "refused_by_error", fix: "session() failed: the log of that node has the error" }],
]);
