import { Code, ConnectError } from "@connectrpc/connect";
import { errorCode, MeshError } from "../base/error.ts";
import type { MeshErrorCode } from "../base/error.ts";

const TO_CONNECT: Readonly<Record<MeshErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
  unknown: Code.Unknown,
  canceled: Code.Canceled,
  resource_exhausted: Code.ResourceExhausted,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
};

const FROM_CONNECT: ReadonlyMap<Code, MeshErrorCode> = new Map(
  Object.entries(TO_CONNECT).map(([word, code]) => [code, word as MeshErrorCode]),
);

/** System and library error codes that come up only before a request left this machine. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  // Node and Deno's node: modules
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_HAS_EXPIRED",
  // Node's fetch
  "UND_ERR_CONNECT_TIMEOUT",
  // Bun's fetch
  "ConnectionRefused",
  "FailedToOpenSocket",
]);

/** Facts about a call that failed. */
export interface RpcErrorContext {
  /** The caller's signal: once aborted it decides the code. */
  signal?: AbortSignal | undefined;
  /** The node that was called: its name goes into the message. */
  host?: string | undefined;
}

/**
 * A failed RPC as a MeshError: the one place that tells a call that was never sent from one whose fate is unknown.
 *
 * `unavailable` means that nothing was sent, so that the call may be repeated. `unknown` means that the line broke after the
 * call may have left. An error that the peer itself sent keeps its code. If the caller's `signal` is aborted, it decides first:
 * `deadline_exceeded` when its reason is a timeout, else `canceled`.
 */
export function fromRpcError(error: unknown, context: RpcErrorContext = {}): MeshError {
  if (error instanceof MeshError) return error;
  const { signal, host } = context;
  if (signal?.aborted) {
    return isTimeout(signal.reason)
      ? new MeshError("deadline_exceeded", "no answer in time", { cause: error })
      : new MeshError("canceled", "the caller gave up", { cause: error });
  }
  const failure = ConnectError.from(error);
  // Connect attaches the response's headers to errors that the peer sent, and to no others.
  return failure.metadata.keys().next().done ? ofTransport(failure, host) : ofAnswer(failure, host);
}

/**
 * A node's refusal of our token as one line: `10.0.0.5:8081 refused this node's token: it has another secret`.
 *
 * `why` is the text of the node that refused, which may be of another version.
 */
export function refusedToken(host: string, why: string, cause?: unknown): MeshError {
  const reason = REFUSALS.find(([words]) => words.test(why))?.[1] ?? why;
  return new MeshError("unauthenticated", `${host} refused this node's token: ${reason}`, { cause });
}

const REFUSALS: readonly (readonly [words: RegExp, reason: string])[] = [
  [/expired/, "expired: is a clock off?"],
  [/not one of this cluster|another secret|HTTP 401/, "it has another secret"],
  [/token is missing/, "it has a secret and this node has none"],
  [/another node/, "it goes by another address there: does an address lead to two nodes?"],
];

function ofAnswer(failure: ConnectError, host: string | undefined): MeshError {
  const status = /^HTTP (\d{3})$/.exec(failure.rawMessage)?.[1];
  if (status !== undefined) return ofStatus(Number(status), failure, host);
  if (failure.rawMessage.startsWith("unsupported content type")) return notMeshsocket(failure, host);
  // A node always says why: this is the JSON of a gateway, and Connect took the code from its status.
  if (failure.rawMessage === "") return ofGateway(failure, host);
  if (failure.code === Code.Unauthenticated && host !== undefined) {
    return refusedToken(host, failure.rawMessage, failure);
  }
  // A peer that cancels a call that nobody here canceled may have done the work before.
  const code = failure.code === Code.Canceled ? "unknown" : FROM_CONNECT.get(failure.code) ?? "unknown";
  return new MeshError(code, failure.rawMessage, { cause: failure });
}

/** An HTTP status without an RPC error in its body: a proxy, another server, or our port's own refusal. */
function ofStatus(status: number, failure: ConnectError, host: string | undefined): MeshError {
  const text = `${host ?? "the node"} answered HTTP ${status}`;
  if (status === 401) {
    const why = `${text}, as a gateway before it does: the gateway wants other credentials`;
    return new MeshError("unauthenticated", why, { cause: failure });
  }
  // A node refuses with a reason of its own: without one, something before it does not let the call through.
  if (status === 403) {
    return new MeshError("unimplemented", `${text}, as a gateway before it does: let the calls through`, {
      cause: failure,
    });
  }
  if (status === 413 || status === 429) return new MeshError("resource_exhausted", text, { cause: failure });
  // A gateway says 502, 503 and 504 also when the node behind it died in the middle of the call.
  if (status === 408 || (status >= 500 && status !== 501 && status !== 505)) {
    return new MeshError("unknown", text, { cause: failure });
  }
  return notMeshsocket(failure, host);
}

function ofGateway(failure: ConnectError, host: string | undefined): MeshError {
  if (failure.code === Code.Unauthenticated) return ofStatus(401, failure, host);
  if (failure.code === Code.PermissionDenied) return ofStatus(403, failure, host);
  // A gateway says 502, 503 and 504 also if the node behind it died in the middle of the call.
  const code = failure.code === Code.Unavailable ? "unknown" : FROM_CONNECT.get(failure.code) ?? "unknown";
  return new MeshError(code, `a gateway before ${host ?? "the node"} refused the call`, { cause: failure });
}

function notMeshsocket(failure: ConnectError, host: string | undefined): MeshError {
  return new MeshError("unimplemented", `no meshsocket node answers at ${host ?? "that address"}`, { cause: failure });
}

function ofTransport(failure: ConnectError, host: string | undefined): MeshError {
  for (const error of causes(failure)) {
    // Of our own making: a closed transport, a token that could not be minted.
    const code = errorCode(error);
    if (code !== undefined) {
      return error instanceof MeshError ? error : new MeshError(code, error.message, { cause: failure });
    }
  }
  if (failure.code === Code.DeadlineExceeded) {
    return new MeshError("deadline_exceeded", `${host ?? "the node"} did not answer in time`, { cause: failure });
  }
  if (failure.code === Code.ResourceExhausted && failure.rawMessage.includes("writeMaxBytes")) {
    return new MeshError("resource_exhausted", "the call is larger than the limit", { cause: failure });
  }
  const why = whyNeverSent(failure);
  if (why !== undefined) {
    const text = host === undefined ? "the node cannot be reached" : `${host} cannot be reached`;
    return new MeshError("unavailable", why === "" ? text : `${text} (${why})`, { cause: failure });
  }
  const to = host === undefined ? "the line" : `the line to ${host}`;
  return new MeshError("unknown", `${to} broke after the call may have been sent`, { cause: failure });
}

/** The code by which it is known that a call was never sent, "" if it has none; undefined if it may have been sent. */
function whyNeverSent(failure: ConnectError): string | undefined {
  for (const error of causes(failure)) {
    const { code, syscall } = error as { code?: unknown; syscall?: unknown };
    const word = typeof code === "string" ? code : "";
    if (NEVER_SENT.has(word)) return word;
    if (syscall === "connect" || syscall === "getaddrinfo") return word;
    // Node dials several addresses of one name and reports their failures together.
    if (word === "ETIMEDOUT" && error instanceof AggregateError) return word;
    // The peer's own word that it did not look at the request (RFC 9113 section 8.7).
    if (error.message.includes("REFUSED_STREAM")) return "REFUSED_STREAM";
    // `fetch` dials none of the "bad ports" of its standard, such as 9 and 6000.
    if (/^bad port$|Requests to port \d+ are blocked/.test(error.message)) return "fetch does not dial that port";
    // Deno's fetch has no codes; its HTTP client names the phase.
    if (error.message.includes("client error (Connect)")) return "";
  }
  return undefined;
}

/** Whether a call failed because nothing listens at the address: its process is gone. */
export function isConnectionRefused(error: Error): boolean {
  for (const cause of causes(error)) {
    const { code } = cause as { code?: unknown };
    if (code === "ECONNREFUSED" || code === "ConnectionRefused") return true;
    // Deno's fetch has no codes.
    if (cause.message.includes("Connection refused")) return true;
  }
  return false;
}

function* causes(failure: Error): Generator<Error> {
  const seen = new Set<unknown>();
  for (let error: unknown = failure; error instanceof Error && !seen.has(error); error = error.cause) {
    seen.add(error);
    yield error;
  }
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && (reason.name === "TimeoutError" || errorCode(reason) === "deadline_exceeded");
}

/**
 * The error that a service of ours throws, so that a caller in any language sees the right status.
 *
 * MeshErrors and bad-argument errors keep their code and text; anything else becomes `internal` without a text,
 * since a foreign text may hold ids and values.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const code = errorCode(error);
  if (code === undefined) return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
  return new ConnectError((error as Error).message, TO_CONNECT[code], undefined, undefined, error);
}
