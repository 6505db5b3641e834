import { anything, checkClose, checkOptions, checkPlain } from "../base/check/check.ts";
import { CloseCode } from "../base/close-code.ts";
import { invalidArgument } from "../base/error.ts";
import { checkSession, type Refusal, type SessionFields } from "../client/session.ts";

/** The application's decision about an upgrade or a first message: a client's session, or a refusal. */
export type Decision<Data> = SessionFields<Data> | Response | Refusal;

/**
 * Reads what `session` or `authenticate` returned.
 *
 * Anything that looks like a Response refuses, whichever library it comes from: `globalThis.Response` may have been replaced
 * since the answer was made. A session that is over refuses with 4401. Only a plain object is a session. Anything else throws a TypeError (`invalid_argument`), so
 * that a value returned by mistake never admits a stranger.
 */
export function readDecision<Data>(what: "session" | "authenticate", returned: unknown): Decision<Data> {
  if (looksLikeResponse(returned)) return ownResponse(returned);
  const name = `the value that ${what} returned`;
  try {
    checkPlain(name, returned);
    if ("refuse" in returned) checkRefusal(name, returned);
    else {
      checkSession(name, returned);
      const { expiresAt = Infinity } = returned as SessionFields<Data>;
      if (expiresAt <= Date.now()) return EXPIRED;
    }
  } catch (error) {
    throw invalidArgument(`${(error as Error).message}; ${EXPECTED}`);
  }
  return returned;
}

const EXPIRED: Refusal = { refuse: CloseCode.Unauthorized, reason: "the token expired" };
const EXPECTED = "return a session { id, onConnect, onEvent }, a Response or { refuse: 4401, reason }";

function checkRefusal(name: string, value: unknown): asserts value is Refusal {
  checkOptions<Refusal>(name, value, { refuse: anything, reason: anything });
  checkClose(value.refuse, value.reason === undefined ? "" : value.reason);
}

/** Whether a decision closes the connection after the 101. */
export function isRefusal<Data>(decision: Decision<Data>): decision is Refusal {
  return "refuse" in decision;
}

/** Whether a decision lets the client in. */
export function isSession<Data>(decision: Decision<Data>): decision is SessionFields<Data> {
  return !looksLikeResponse(decision) && !isRefusal(decision);
}

/** The parts of a Response that every implementation has. */
interface ResponseLike {
  readonly status: number;
  readonly statusText?: string;
  readonly headers: Iterable<[string, string]>;
  readonly body?: unknown;
  readonly bodyUsed?: boolean;
  /** The address of an answer of `fetch()`; empty for a Response that was constructed. */
  readonly url?: string;
}

function looksLikeResponse(value: unknown): value is ResponseLike {
  if (typeof value !== "object" || value === null) return false;
  const { status, headers } = value as { status?: unknown; headers?: { get?: unknown } | null };
  return typeof status === "number" && typeof headers?.get === "function" && isIterable(headers);
}

function isIterable(value: object): boolean {
  return typeof (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] === "function";
}

/** A Response of this runtime that an adapter can send. */
function ownResponse(response: ResponseLike): Response {
  const { status } = response;
  if (!(Number.isInteger(status) && status >= 200 && status <= 599)) {
    throw invalidArgument(`a Response with status ${status} cannot be sent: refuse with a status from 200 to 599`);
  }
  if (response instanceof Response && !response.body?.locked && !response.bodyUsed && !response.url) return response;
  const headers = new Headers([...response.headers]);
  // An answer of fetch() was decoded: its length and encoding are those of other bytes.
  if (response.url) { for (const name of DECODED) headers.delete(name); }
  const init = { status, statusText: response.statusText ?? "", headers };
  try {
    return new Response(bodyOf(response), init);
  } catch {
    // A body of another kind, or a status that takes none. The refusal matters more than its text.
    return new Response(null, init);
  }
}

const DECODED: readonly string[] = ["content-encoding", "content-length", "transfer-encoding", "connection"];

function bodyOf({ body, bodyUsed }: ResponseLike): ReadableStream<Uint8Array<ArrayBuffer>> | null {
  return bodyUsed || !body ? null : (body as ReadableStream<Uint8Array<ArrayBuffer>>);
}
