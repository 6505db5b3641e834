import { Histogram, SECONDS } from "../base/counters/histogram.ts";
import { unref } from "../base/tick.ts";
import type { Hub } from "../hub/hub.ts";

/** How often the event loop is asked. */
const BEAT_MS = 100;

const delays = new WeakMap<object, Histogram>();

/** Seconds by which a timer came too late, ten times a second from the first call on until the hub is closed. */
export function loopDelayOf<Data>(hub: Hub<Data>): Histogram {
  const known = delays.get(hub);
  if (known) return known;
  const delay = new Histogram(SECONDS);
  delays.set(hub, delay);
  const stop = watch(delay);
  hub.onClose(stop);
  return delay;
}

function watch(delay: Histogram): () => void {
  let dueMs = performance.now() + BEAT_MS;
  let timer: unknown;
  const beat = (): void => {
    const now = performance.now();
    delay.add(Math.max(0, now - dueMs) / 1_000);
    dueMs = now + BEAT_MS;
    timer = setTimeout(beat, BEAT_MS);
    unref(timer);
  };
  timer = setTimeout(beat, BEAT_MS);
  unref(timer);
  return () => clearTimeout(timer as number);
}
