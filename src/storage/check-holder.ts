import { invalidArgument, MeshError } from "../error.ts";
import type { Holder } from "./storage.ts";

/** Throws a TypeError (`invalid_argument`) for a holder that cannot be written as two words. */
export function checkHolder({ host, life }: Holder): void {
  if (/^[\x21-\x7e]+$/.test(host) && /^[\x21-\x7e]+$/.test(life)) return;
  throw invalidArgument("a holder's host and life must be ASCII without spaces, and not empty");
}

/** What `set` and `subscribe` reject with when the life has no lease. */
export function noLease(): MeshError {
  return new MeshError("failed_precondition", "this life holds no lease: renew first");
}
