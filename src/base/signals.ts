/** A signal that follows others until it is released. */
export interface FollowingSignal {
  readonly signal: AbortSignal;
  /** Unties the signal from those that it follows. */
  readonly release: () => void;
}

/**
 * A signal that is aborted as soon as one of several is, with its reason, until it is released.
 *
 * `AbortSignal.any` cannot be released: on Node 22 a source that many calls share keeps some memory of each of them.
 */
export function followSignals(...sources: readonly (AbortSignal | undefined)[]): FollowingSignal {
  const followed = sources.filter((source) => source !== undefined);
  const [only] = followed;
  if (only && followed.length === 1) return { signal: only, release: () => {} };
  const controller = new AbortController();
  const onAbort = (event: Event): void => controller.abort((event.target as AbortSignal).reason);
  for (const source of followed) source.addEventListener("abort", onAbort);
  const aborted = followed.find((source) => source.aborted);
  if (aborted) controller.abort(aborted.reason);
  const release = (): void => {
    for (const source of followed) source.removeEventListener("abort", onAbort);
  };
  return { signal: controller.signal, release };
}
