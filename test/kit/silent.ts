import assert from "node:assert/strict";
import { withCode } from "./storage.ts";
import { within } from "./wait.ts";

/** An id that no error may tell. */
export const CANARY = "canary-7f3a";

/** Fails if an error, or a cause of it, tells the canary. */
export function assertSilent(error: unknown): void {
  for (let one = error; one instanceof Error; one = one.cause) {
    assert.ok(!`${one.message}${one.stack ?? ""}${JSON.stringify(one)}`.includes(CANARY), "an error tells an id");
  }
}

/** Asserts that a call rejects as unavailable, in time, and tells nothing. */
export async function fails(call: Promise<unknown>): Promise<void> {
  await assert.rejects(within("the rejection", call, 3_000), (error) => {
    assertSilent(error);
    return withCode("unavailable")(error);
  });
}
