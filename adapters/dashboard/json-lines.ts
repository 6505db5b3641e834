import { plain } from "./plain-json.ts";

/**
 * A body with each message as a line of JSON. When none comes for a while it has an empty line, so that no proxy takes the
 * connection for a dead one. Aborts `gone` when its reader leaves.
 */
export function jsonLines<Message>(
  messages: AsyncIterator<Message>,
  first: IteratorResult<Message>,
  gone: AbortController,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next = Promise.resolve(first);
  return new ReadableStream({
    async pull(controller) {
      const result = await withinQuiet(next);
      if (result === undefined) return controller.enqueue(encoder.encode("\n"));
      if (result.done) return controller.close();
      controller.enqueue(encoder.encode(`${JSON.stringify(result.value, plain)}\n`));
      next = messages.next();
      // It may fail before it is asked for.
      next.catch(() => {});
    },
    cancel: () => gone.abort(),
  });
}

const encoder = new TextEncoder();
/** Shorter than the 60 s after which many proxies cut a quiet connection. */
const QUIET_MS = 20_000;

/** The result, or undefined after {@link QUIET_MS}. */
async function withinQuiet<Result>(result: Promise<Result>): Promise<Result | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const quiet = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), QUIET_MS)));
  try {
    return await Promise.race([result, quiet]);
  } finally {
    clearTimeout(timer);
  }
}
