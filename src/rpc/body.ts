/** A stream that pulls from an iterable, one chunk when one is wanted; canceling it ends the iterable. */
export function toReadableStream(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      // Connect's chunks are views of ordinary buffers; only the type says less.
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    async cancel(reason) {
      // Connect listens for throw() to learn that the other end is gone; a generator may rethrow what it is given.
      await iterator.throw?.(reason).catch(() => {});
    },
  });
}

/**
 * The chunks of a body. A reader that stops early cancels the stream at once, even while a chunk is awaited, so that nothing
 * goes on arriving for nobody. So does the signal: Deno's fetch (2.9.6) may leave a body open whose call was aborted, and
 * the chunk that is awaited never comes.
 */
export function fromReadableStream(
  body: ReadableStream<Uint8Array> | null,
  signal?: AbortSignal,
): AsyncIterableIterator<Uint8Array, void> {
  const reader = body?.getReader();
  const stop = (reason?: unknown): Promise<IteratorResult<Uint8Array, void>> => {
    // The stream may be broken already, which its reader was told.
    reader?.cancel(reason).catch(() => {});
    return Promise.resolve({ done: true, value: undefined });
  };
  signal?.addEventListener("abort", () => void stop(signal.reason), { once: true });
  return {
    async next() {
      const chunk = await reader?.read();
      return chunk && !chunk.done ? { done: false, value: chunk.value } : { done: true, value: undefined };
    },
    return: () => stop(),
    throw: stop,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
