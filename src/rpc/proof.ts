import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * Called once a call may be answered: its caller has shown a good token, or needs none here.
 *
 * A server puts it into the context of a call, to tell the connections of those who belong here from those of anyone else.
 */
export const ON_PROOF: ContextKey<() => void> = createContextKey<() => void>(() => {}, { description: "on proof" });
