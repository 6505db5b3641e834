import { CloseCode } from "../base/close-code.ts";
import type { MeshErrorCode } from "../base/error.ts";
import type { HubStatus } from "../base/hub-status.ts";
import type { LostReason } from "../client/resume/resume.ts";
import type { RefusalReason } from "../door/refusal.ts";

/** The values of labels: each a closed set, whatever clients and applications send. */
export const STATUSES: readonly string[] = names<HubStatus>({
  starting: 0,
  ready: 0,
  degraded: 0,
  draining: 0,
  closed: 0,
});
export const LOST_REASONS: readonly string[] = names<LostReason>({
  window: 0,
  overflow: 0,
  replaced: 0,
  closed: 0,
  expired: 0,
});
export const REFUSAL_REASONS: readonly string[] = names<RefusalReason>({
  handshake: 0,
  origin: 0,
  address: 0,
  full: 0,
  closing: 0,
  session: 0,
  id: 0,
  user: 0,
  duplicate: 0,
  storage: 0,
  starting: 0,
  timeout: 0,
  pace: 0,
  error: 0,
});
export const CLOSE_CODES: readonly string[] = Object.values(CloseCode).map(String);
export const RESUMES: readonly string[] = ["resumed", "token", "user", "counts", "overflow", "unknown"];
export const HANDLERS: readonly string[] = ["onConnect", "onEvent", "onRequest", "onDisconnect", "onAway", "onResume"];
/** The codes of `MeshError`; `aborted` stands for any other error, such as the reason of an aborted signal. */
export const ERROR_CODES: readonly string[] = names<MeshErrorCode | "aborted">({
  invalid_argument: 0,
  unavailable: 0,
  deadline_exceeded: 0,
  unknown: 0,
  canceled: 0,
  resource_exhausted: 0,
  not_found: 0,
  already_exists: 0,
  failed_precondition: 0,
  unauthenticated: 0,
  permission_denied: 0,
  unimplemented: 0,
  internal: 0,
  aborted: 0,
});

/** The results of a tally: those that begin at 0, and the codes that came up. */
export function resultsOf(tally: Readonly<Record<string, number>>, always: readonly string[]): readonly string[] {
  return [...always, ...["partial", ...ERROR_CODES].filter((code) => Object.hasOwn(tally, code))];
}

function names<Name extends string>(table: Readonly<Record<Name, 0>>): readonly string[] {
  return Object.keys(table);
}
