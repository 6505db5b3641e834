let aheadMs = 0;
let shifted = false;

/** Sets this process' wall clock so far ahead of the true one, as a step of the system's clock does. Monotonic clocks go on. */
export function setClock(ms: number): void {
  aheadMs = ms;
  if (shifted) return;
  shifted = true;
  const True = Date;
  class Shifted extends True {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(Shifted.now());
      else super(...(args as [number]));
    }

    static override now(): number {
      return True.now() + aheadMs;
    }
  }
  globalThis.Date = Shifted as DateConstructor;
}
