import { MeshError } from "../base/error.ts";
import type { SendOptions } from "./verbs.ts";

/** The moment, on the monotonic clock, at which a call gives up. */
export function deadlineOf(options: SendOptions | undefined, defaultTimeoutMs: number): number {
  return performance.now() + (options?.timeoutMs ?? defaultTimeoutMs);
}

/** Settles with the promise, whatever came of it, or once `timeoutMs` passed. */
export async function settledWithin(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
  await withTimeout(promise, timeoutMs, "it").catch(() => {});
}

/** The promise, or a rejection with `deadline_exceeded` once `timeoutMs` passed. */
export async function withTimeout<Result>(promise: Promise<Result>, timeoutMs: number, what: string): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new MeshError("deadline_exceeded", `${what} took too long`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
