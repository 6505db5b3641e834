import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Access } from "./access.ts";

/**
 * Called once a call may be answered: its caller has shown a good token, or needs none here.
 *
 * A server puts it into the context of a call, to tell the connections of those who belong here from those of anyone else.
 */
export const ON_PROOF: ContextKey<() => void> = createContextKey<() => void>(() => {}, { description: "on proof" });

/** The rights of the caller's token besides the call. */
export const ACCESS: ContextKey<Access> = createContextKey<Access>({ payloads: false }, { description: "access" });
