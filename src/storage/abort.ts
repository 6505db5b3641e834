import { unlessAborted } from "../base/abort.ts";
import { MeshError } from "../base/error.ts";

/** Throws (`canceled`) if the caller gave up already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw canceled(signal);
}

/** Settles as `promise` does, or rejects (`canceled`) as soon as the signal is aborted; the promise then runs on unobserved. */
export function unlessCanceled<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return unlessAborted(promise, signal, canceled);
}

function canceled(signal: AbortSignal): MeshError {
  return new MeshError("canceled", "the caller gave up", { cause: signal.reason });
}
