import process from "node:process";

/** A signal that is aborted by Ctrl-C, SIGTERM, or the end of whoever reads the output. */
export function untilInterrupted(): AbortSignal {
  const interrupted = new AbortController();
  const abort = (): void => interrupted.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, abort);
  process.stdout.on("error", abort);
  return interrupted.signal;
}

/** Waits, or until the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
