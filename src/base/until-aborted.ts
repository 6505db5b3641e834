/**
 * The items of an iterable until the signal is aborted: then the iteration ends, without an error, even while it waits.
 *
 * A stream's source may not notice that its reader went away, or that this side wants to end it.
 */
export async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncIterable<Item> {
  if (signal.aborted) return;
  let stop = (): void => {};
  const onAbort = (): void => stop();
  signal.addEventListener("abort", onAbort, { once: true });
  const iterator = items[Symbol.asyncIterator]();
  try {
    while (!signal.aborted) {
      // Not a race against one promise of the abort: that would keep every item for as long as the iteration lasts.
      const result = await new Promise<IteratorResult<Item> | undefined>((resolve, reject) => {
        stop = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
      if (result === undefined || result.done) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a source that waits for its own next item would never answer.
    void iterator.return?.()?.catch(() => {});
  }
}
