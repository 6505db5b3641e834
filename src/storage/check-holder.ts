import { checkName } from "../base/check/check.ts";
import { invalidArgument, MeshError } from "../base/error.ts";
import { type Holder, MAX_RENEW_IDS } from "./storage.ts";

/** Throws a TypeError (`invalid_argument`) for a holder that cannot be written as two words. */
export function checkHolder({ host, life }: Holder): void {
  if (/^[\x21-\x7e]+$/.test(host) && /^[\x21-\x7e]+$/.test(life)) return;
  throw invalidArgument("a holder's host and life must be ASCII without spaces, and not empty");
}

/** Throws a TypeError (`invalid_argument`) for ids that a renewal cannot look at. */
export function checkRenewIds(ids: readonly string[]): void {
  if (ids.length > MAX_RENEW_IDS) throw invalidArgument(`a renewal looks at no more than ${MAX_RENEW_IDS} ids`);
  for (const id of ids) checkName("id", id, Infinity);
}

/** The error of `set` and `subscribe` if the life has no lease. */
export function noLease(): MeshError {
  return new MeshError("failed_precondition", "this life holds no lease: renew first");
}
