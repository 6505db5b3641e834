import process from "node:process";

/** The most that an orderly end may take, beyond the time that it takes on purpose. */
const STOP_TIMEOUT_MS = 10_000;
/** One Ctrl-C can arrive twice: from the terminal, and from npm which passes it on. */
const SAME_SIGNAL_MS = 500;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How {@link stopOnSignal} ends the process. */
export interface StopOptions {
  /** The orderly end; the process exits with 0 when it is done. */
  stop: () => Promise<void>;
  /** Work that must still be done if the process ends at once. */
  atOnce?: () => void;
  /** Also ends when its input does: the end of a parent that holds the other side. */
  withInput?: boolean;
  /** Milliseconds that the orderly end takes on purpose. Default 0. */
  drainMs?: number;
}

/** Ends the process in order at SIGINT, SIGTERM or SIGHUP, and at once at a second signal or when that takes 10 seconds too long. */
export function stopOnSignal({ stop, atOnce = () => {}, withInput = false, drainMs = 0 }: StopOptions): void {
  let startedMs: number | undefined;
  const exit = (code: number): void => {
    atOnce();
    process.exit(code);
  };
  const end = (): void => {
    if (startedMs !== undefined) return;
    startedMs = performance.now();
    setTimeout(() => exit(1), drainMs + STOP_TIMEOUT_MS);
    stop().then(
      () => exit(0),
      (error: unknown) => {
        console.error(error);
        exit(1);
      },
    );
  };
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (startedMs !== undefined && performance.now() - startedMs > SAME_SIGNAL_MS) exit(1);
      end();
    });
  }
  if (!withInput) return;
  process.stdin.on("end", end).on("close", end).on("error", end).resume();
}
