import assert from "node:assert/strict";
import { errorCode } from "../../src/base/error.ts";

/** A call with bad arguments, and what is bad about it. */
export type Bad = readonly [what: string, call: () => unknown];

/** Fails unless the call throws or rejects as it is promised for bad arguments. */
async function assertInvalid(what: string, call: () => unknown): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error !== undefined, `${what}: nothing was thrown`);
  assert.equal(errorCode(error), "invalid_argument", what);
  assert.ok(error instanceof TypeError, what);
  assert.ok(error.message.length > 10, what);
}

/** Asserts that every call throws or rejects as it is promised for bad arguments. */
export async function assertAllInvalid(calls: readonly Bad[]): Promise<void> {
  for (const [what, call] of calls) await assertInvalid(what, call);
}

/** One call for each bad value. */
export function each<Value>(values: readonly Value[], what: string, call: (value: Value) => unknown): Bad[] {
  return values.map((value) => [`${what} ${show(value)}`, () => call(value)]);
}

function show(value: unknown): string {
  return typeof value === "symbol" ? "a symbol" : (JSON.stringify(value) ?? typeof value).slice(0, 40);
}

/** Whatever TypeScript would not let through. */
export const any = (value: unknown): never => value as never;
