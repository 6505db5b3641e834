import type { Logger } from "./logger.ts";
import { unref } from "../tick.ts";

/** How many lines of one kind are written in a minute, and how many kinds are told apart. */
const LINES_PER_MINUTE = 10;
const MINUTE_MS = 60_000;
const MAX_KINDS = 200;

type Level = "info" | "warn" | "error";

/**
 * A {@link Logger} that an outage or a hostile client cannot fill.
 *
 * Lines that differ only in names and numbers are of one kind. Of each kind ten are written in a minute; at its end a line
 * says how many more there were. A logger that throws is ignored.
 */
export class LimitedLogger implements Logger {
  readonly #to: Logger;
  readonly #afterMinute: (callback: () => void) => void;
  readonly #kinds = new Map<string, Kind>();

  /** `afterMinute` runs a callback in a minute. */
  constructor(to: Logger, afterMinute: (callback: () => void) => void = inAMinute) {
    this.#to = to;
    this.#afterMinute = afterMinute;
  }

  debug(...data: unknown[]): void {
    try {
      this.#to.debug(...data);
    } catch {
      // A logger that fails must not end the connection that it was to log.
    }
  }

  info(...data: unknown[]): void {
    this.#write("info", data);
  }

  warn(...data: unknown[]): void {
    this.#write("warn", data);
  }

  error(...data: unknown[]): void {
    this.#write("error", data);
  }

  #write(level: Level, data: unknown[]): void {
    const kind = this.#kindOf(level, String(data[0]));
    if (++kind.lines <= LINES_PER_MINUTE) this.#pass(level, data);
    else kind.last = String(data[0]);
  }

  #kindOf(level: Level, text: string): Kind {
    const named = `${level} ${text.replace(/"[^"]*"|\S*[\d/:@]\S*/g, "#")}`;
    const name = this.#kinds.size < MAX_KINDS || this.#kinds.has(named) ? named : level;
    let kind = this.#kinds.get(name);
    if (kind) return kind;
    kind = { lines: 0, last: "" };
    this.#kinds.set(name, kind);
    this.#afterMinute(() => this.#endMinute(level, name));
    return kind;
  }

  #endMinute(level: Level, name: string): void {
    const { lines, last } = this.#kinds.get(name) ?? { lines: 0, last: "" };
    this.#kinds.delete(name);
    const leftOut = lines - LINES_PER_MINUTE;
    if (leftOut > 0) {
      this.#pass(level, [`meshsocket: left out ${leftOut} more lines of the last minute such as: ${last}`]);
    }
  }

  #pass(level: Level, data: unknown[]): void {
    try {
      this.#to[level](...data);
    } catch {
      // As in debug().
    }
  }
}

/** The lines of one kind within a minute. */
interface Kind {
  lines: number;
  /** The text of the last line that was left out. */
  last: string;
}

function inAMinute(callback: () => void): void {
  unref(setTimeout(callback, MINUTE_MS));
}
