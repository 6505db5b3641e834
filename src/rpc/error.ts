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

/**
 * A failed RPC as a MeshError: the one place that tells a call that was never sent from one whose fate is unknown.
 *
 * `unavailable` means that nothing was sent, so that the call may be repeated. `unknown` means that the line broke after the
 * call may have left. What the peer itself answered keeps its code. The caller's `signal`, when it is aborted, decides first:
 * `deadline_exceeded` when its reason is a timeout, else `canceled`.
 */
export function fromRpcError(error: unknown, options?: { signal?: AbortSignal | undefined }): MeshError {
  if (error instanceof MeshError) return error;
  const signal = options?.signal;
  if (signal?.aborted) {
    return isTimeout(signal.reason)
      ? new MeshError("deadline_exceeded", "no answer in time", { cause: error })
      : new MeshError("canceled", "the caller gave up", { cause: error });
  }
  const failure = ConnectError.from(error);
  // Connect attaches the response's headers to what the peer answered, and to nothing else.
  return failure.metadata.keys().next().done ? ofTransport(failure) : ofAnswer(failure);
}

function ofAnswer(failure: ConnectError): MeshError {
  const status = /^HTTP (\d{3})$/.exec(failure.rawMessage)?.[1];
  if (status !== undefined) return ofStatus(Number(status), failure);
  if (failure.rawMessage.startsWith("unsupported content type")) return notMeshsocket(failure);
  // A peer that cancels what nobody here canceled may have done the work before.
  const code = failure.code === Code.Canceled ? "unknown" : FROM_CONNECT.get(failure.code) ?? "unknown";
  return new MeshError(code, failure.rawMessage, { cause: failure });
}

/** An HTTP status without an RPC error in its body: a proxy, another server, or our port's own refusal. */
function ofStatus(status: number, failure: ConnectError): MeshError {
  const text = `the node answered HTTP ${status}`;
  if (status === 401) return new MeshError("unauthenticated", text, { cause: failure });
  if (status === 403) return new MeshError("permission_denied", text, { cause: failure });
  if (status === 413 || status === 429) return new MeshError("resource_exhausted", text, { cause: failure });
  // A gateway says 502, 503 and 504 also when the node behind it died in the middle of the call.
  if (status === 408 || (status >= 500 && status !== 501 && status !== 505)) {
    return new MeshError("unknown", text, { cause: failure });
  }
  return notMeshsocket(failure);
}

function notMeshsocket(failure: ConnectError): MeshError {
  return new MeshError("unimplemented", "what answers at that address is not a node of this cluster", {
    cause: failure,
  });
}

function ofTransport(failure: ConnectError): MeshError {
  for (const error of causes(failure)) {
    // Of our own making: a closed transport, a token that could not be minted.
    const code = errorCode(error);
    if (code !== undefined) {
      return error instanceof MeshError ? error : new MeshError(code, error.message, { cause: failure });
    }
  }
  if (failure.code === Code.DeadlineExceeded) {
    return new MeshError("deadline_exceeded", "no answer in time", { cause: failure });
  }
  if (failure.code === Code.ResourceExhausted && failure.rawMessage.includes("writeMaxBytes")) {
    return new MeshError("resource_exhausted", "the call is larger than the limit", { cause: failure });
  }
  if (wasNeverSent(failure)) return new MeshError("unavailable", "the node cannot be reached", { cause: failure });
  return new MeshError("unknown", "the line broke after the call may have been sent", { cause: failure });
}

function wasNeverSent(failure: ConnectError): boolean {
  for (const error of causes(failure)) {
    const { code, syscall } = error as { code?: unknown; syscall?: unknown };
    if (typeof code === "string" && NEVER_SENT.has(code)) return true;
    if (syscall === "connect" || syscall === "getaddrinfo") return true;
    // Node dials several addresses of one name and reports their failures together.
    if (code === "ETIMEDOUT" && error instanceof AggregateError) return true;
    // The peer's own word that it did not look at the request (RFC 9113 section 8.7).
    if (error.message.includes("REFUSED_STREAM")) return true;
    // Deno's fetch has no codes; its HTTP client names the phase.
    if (error.message.includes("client error (Connect)")) return true;
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
 * What a service of ours throws so that a caller in any language sees the right status.
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
