import { Histogram, SECONDS } from "../base/counters/histogram.ts";
import { LoopMeter } from "../base/watch/loop-meter.ts";
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
  const meter = new LoopMeter(BEAT_MS, (ms) => delay.add(ms / 1_000));
  meter.start();
  hub.onClose(() => meter.stop());
  return delay;
}
