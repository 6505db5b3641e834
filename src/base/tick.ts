type Immediate = (callback: () => void) => unknown;

/**
 * Runs `callback` once the current turn of the event loop has handled what it received.
 *
 * Everything that a turn produces can so leave together. Runtimes with `setImmediate` run it right after their
 * input was read; elsewhere a message channel is the nearest thing that the web platform has.
 */
export const afterTick: (callback: () => void) => void = pickScheduler();

function pickScheduler(): (callback: () => void) => void {
  const immediate = (globalThis as { setImmediate?: Immediate }).setImmediate;
  if (typeof immediate === "function") return (callback) => void immediate(callback);
  return (callback) => void setTimeout(callback, 0);
}

/** Stops the timer from keeping the process alive. */
export function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null) (timer as { unref?: () => void }).unref?.();
}
