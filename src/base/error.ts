/**
 * The kind of an error, as one word that a program can act on.
 *
 * The words are those of the Connect and gRPC status codes, so that an error keeps its meaning across an RPC.
 *
 * | code | what it says | what to do next |
 * | --- | --- | --- |
 * | `invalid_argument` | the call's arguments are wrong | correct the call |
 * | `unavailable` | nothing was sent: the node or the storage cannot be reached | try again later |
 * | `deadline_exceeded` | no answer in time: the message may or may not have arrived | ask the application |
 * | `unknown` | the line broke after sending: the message may or may not have arrived | ask the application |
 * | `canceled` | the caller gave up | nothing |
 * | `resource_exhausted` | a limit was reached; nothing was sent | send less, or raise the limit |
 * | `not_found` | nobody has the id; nothing was sent | nothing, or try again when it is online |
 * | `already_exists` | the id is held by another connection | use another id |
 * | `failed_precondition` | the hub is not started, or is closed | start it, or use another |
 * | `unauthenticated` | the token is missing, wrong or too old | mint a new one |
 * | `permission_denied` | the token is good, but not for this call | use a token with the right audience |
 * | `unimplemented` | the other end does not know the call | update it |
 * | `internal` | a defect of meshsocket | report it |
 */
export type MeshErrorCode =
  | "invalid_argument"
  | "unavailable"
  | "deadline_exceeded"
  | "unknown"
  | "canceled"
  | "resource_exhausted"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "unauthenticated"
  | "permission_denied"
  | "unimplemented"
  | "internal";

/**
 * An error of meshsocket with a stable `code`.
 *
 * Errors of other libraries are kept as `cause`; their texts may hold ids and values and do not belong in a log.
 */
export class MeshError extends Error {
  override readonly name: string = "MeshError";
  /** The stable word to act on; the message is for people and may change. */
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A TypeError with `code: "invalid_argument"`: what every public call throws or rejects with for a bad argument. */
export function invalidArgument(message: string): TypeError & { readonly code: "invalid_argument" } {
  return Object.assign(new TypeError(message), { code: "invalid_argument" as const });
}

/** The `code` of a meshsocket error or bad-argument error; undefined for anything else. */
export function errorCode(error: unknown): MeshErrorCode | undefined {
  if (error instanceof MeshError) return error.code;
  if (error instanceof TypeError && (error as { code?: unknown }).code === "invalid_argument") {
    return "invalid_argument";
  }
  return undefined;
}
