import { checkObject } from "./check.ts";

/** Where a hub writes; `console` is one. Texts hold no message, token, header or query. */
export interface Logger {
  debug(...data: unknown[]): void;
  info(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
}

function ignore(): void {}

/** The default: silent but for errors, which go to the console. */
export const errorLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: (...data) => console.error(...data),
};

/** Writes nothing at all. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Throws a TypeError (`invalid_argument`) unless it can be written to as a {@link Logger}. */
export function checkLogger(logger: unknown): asserts logger is Logger {
  checkObject("logger", logger, ["debug", "info", "warn", "error"]);
}
