import type { Pipe } from "../base/pipe.ts";

/**
 * The messages of a tap as they are written to a stream. Those that come within a moment of one another leave together, at a
 * fraction of the cost; one that comes after a quiet moment leaves at once.
 */
export async function* inBursts<Item>(pipe: Pipe<Item>, perSecond: number): AsyncIterableIterator<Item> {
  const pauseMs = Math.min(MAX_PAUSE_MS, (1_000 * MAX_BURST) / Math.max(1, perSecond));
  for await (const items of pipe.lots()) {
    yield* items;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

const MAX_PAUSE_MS = 250;
/** Fewer than wait at most for a caller, so that a pause leaves none out. */
const MAX_BURST = 128;
