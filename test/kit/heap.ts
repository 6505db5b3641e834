import process from "node:process";
import v8 from "node:v8";
import vm from "node:vm";

let collect: (() => void) | undefined;

/** Bytes of JavaScript objects that are still in use by this process: after a collection of garbage. */
export function usedHeapBytes(): number {
  collect ??= collector();
  collect();
  return process.memoryUsage().heapUsed;
}

function collector(): () => void {
  const bun = (globalThis as { Bun?: { gc(force: boolean): void } }).Bun;
  if (bun) return () => bun.gc(true);
  // Can be set while the program runs; the function exists in contexts that are made afterwards.
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}
