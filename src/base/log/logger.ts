import { checkObject } from "../check/check.ts";
import { oneLine } from "./one-line.ts";

/** Where a hub writes; `console` is one. Texts hold no message, token, header or query. */
export interface Logger {
  debug(...data: unknown[]): void;
  info(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
}

function ignore(): void {}

/** Writes warnings and errors to the console, one line each. This is the default of a hub. */
export const consoleLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (...data) => console.warn(oneLine(data)),
  error: (...data) => console.error(oneLine(data, { stack: true })),
};

/** Writes errors to the console, and nothing else. */
export const errorLogger: Logger = { ...consoleLogger, warn: ignore };

/** Writes nothing at all. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Writes everything to the console, one line each: used if the application gave the console itself. */
const verboseLogger: Logger = {
  ...consoleLogger,
  debug: (...data) => console.debug(oneLine(data)),
  info: (...data) => console.info(oneLine(data)),
};

/** The logger that an application asked for, or the default. */
export function chosenLogger(given: Logger | undefined): Logger {
  return given === console ? verboseLogger : (given ?? consoleLogger);
}

/** Throws a TypeError (`invalid_argument`) unless it can be written to as a {@link Logger}. */
export function checkLogger(logger: unknown): asserts logger is Logger {
  checkObject("logger", logger, ["debug", "info", "warn", "error"]);
}
