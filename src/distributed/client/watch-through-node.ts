import type { Logger } from "../../base/log/logger.ts";
import type { OpenWatch } from "./cluster-verbs.ts";
import { PresenceWatch, type WatchOptions } from "../../hub/presence-watch.ts";

/** Watches a topic through a node; `ready` rejects, and the watch ends, if the node refuses it. The code that reads the stream is loaded by the first. */
export function watchThroughNode(open: OpenWatch, options: WatchOptions, logger: Logger): PresenceWatch {
  const { by, onEvent, signal } = options;
  signal?.throwIfAborted();
  const closed = new AbortController();
  const ready = import("./presence-stream.ts").then(({ PresenceStream }) => {
    const stream = new PresenceStream(open, (change) => watch.push(change), closed.signal);
    void stream.run();
    return stream.ready;
  });
  const watch: PresenceWatch = new PresenceWatch(ready, { by, onEvent: onEvent && safe(onEvent, logger) }, () => {
    signal?.removeEventListener("abort", onAbort);
    closed.abort();
  });
  const onAbort = (): void => watch.close();
  signal?.addEventListener("abort", onAbort, { once: true });
  ready.catch(() => watch.close());
  return watch;
}

function safe(onEvent: NonNullable<WatchOptions["onEvent"]>, logger: Logger): NonNullable<WatchOptions["onEvent"]> {
  return (event) => {
    try {
      onEvent(event);
    } catch (error) {
      logger.error("meshsocket: onEvent of a presence watch failed", error);
    }
  };
}
