/**
 * Settles as the promise does, or rejects as soon as the signal is aborted: with the signal's reason, or with what `why`
 * makes of it. The promise then runs on, and its outcome is ignored.
 */
export function unlessAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
  why: (signal: AbortSignal) => unknown = reasonOf,
): Promise<Result> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(why(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function reasonOf({ reason }: AbortSignal): unknown {
  return reason;
}
