/**
 * The items of an iterable until the signal is aborted: then the iteration ends, without an error, even while it waits.
 *
 * A stream's source may not notice that its reader went away, or that this side wants to end it.
 */
export async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncIterable<Item> {
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = (): void => aborted.resolve(undefined);
  if (signal.aborted) return;
  signal.addEventListener("abort", onAbort, { once: true });
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      const result = await Promise.race([next, aborted.promise]);
      if (result === undefined) {
        next.catch(() => {});
        return;
      }
      if (result.done) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a source that waits for its own next item would never answer.
    void iterator.return?.()?.catch(() => {});
  }
}
