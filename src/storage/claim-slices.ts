import { errorCode } from "../base/error.ts";
import { throwIfAborted, unlessCanceled } from "./abort.ts";
import type { Claimed, Holder, Storage } from "./storage.ts";

/** Claims ids that one command may carry. */
export type ClaimSlice = (ids: readonly string[]) => Promise<Claimed[]>;

/** A call of {@link Storage.set}. */
export interface ClaimCall {
  readonly storage: Pick<Storage, "del">;
  readonly holder: Holder;
  readonly signal: AbortSignal | undefined;
}

/**
 * Claims slice after slice. If one fails, or the caller gives up, every claim that was granted is given back:
 * also a claim whose answer comes after the caller gave up.
 */
export async function claimSlices(
  slices: readonly (readonly string[])[],
  claim: ClaimSlice,
  call: ClaimCall,
): Promise<Claimed[]> {
  const claimed: Claimed[] = [];
  try {
    for (const slice of slices) claimed.push(...(await claimSlice(slice, claim, call)));
  } catch (error) {
    giveBack(slices.flat(), claimed, call);
    throw error;
  }
  return claimed;
}

async function claimSlice(ids: readonly string[], claim: ClaimSlice, call: ClaimCall): Promise<Claimed[]> {
  throwIfAborted(call.signal);
  const claiming = claim(ids);
  return await unlessCanceled(claiming, call.signal).catch((error: unknown) => {
    if (errorCode(error) === "canceled") claiming.then((claimed) => giveBack(ids, claimed, call), () => {});
    throw error;
  });
}

/** If this fails, the claims stay until another claim of the ids or the life ends. */
function giveBack(ids: readonly string[], claimed: readonly Claimed[], { storage, holder }: ClaimCall): void {
  const entries = claimed.flatMap(({ claim }, index) =>
    claim === undefined ? [] : [{ id: ids[index] ?? "", life: holder.life, claim }]
  );
  if (entries.length > 0) storage.del(entries).catch(() => {});
}
