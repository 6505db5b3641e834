import { About, about } from "./about.ts";
import type { Logger } from "./logger.ts";
import { fieldsOf, takesFields } from "./structured.ts";
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
 *
 * The last argument of a call may be an {@link About}. A logger such as pino gets its event and fields, with the error as
 * `error`, before the text; any other gets the text and the error.
 */
export class LimitedLogger implements Logger {
  /** The address of this node, for the field `host`. */
  host: string | undefined = undefined;
  readonly #to: Logger;
  readonly #takesFields: boolean;
  readonly #afterMinute: (callback: () => void) => void;
  readonly #kinds = new Map<string, Kind>();

  /** `afterMinute` runs a callback in a minute. */
  constructor(to: Logger, afterMinute: (callback: () => void) => void = inAMinute) {
    this.#to = to;
    this.#takesFields = takesFields(to);
    this.#afterMinute = afterMinute;
  }

  debug(...data: unknown[]): void {
    this.#pass("debug", data);
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
      const text = `meshsocket: left out ${leftOut} more lines of the last minute such as: ${last}`;
      this.#pass(level, [text, about("lines_left_out", { lines: leftOut })]);
    }
  }

  #pass(level: Level | "debug", data: unknown[]): void {
    const last = data.at(-1);
    const found = last instanceof About ? last : undefined;
    const rest = found ? data.slice(0, -1) : data;
    try {
      if (this.#takesFields) this.#to[level](fieldsOf(found, rest[1], this.host), rest[0]);
      else this.#to[level](...rest);
    } catch {
      // A logger that fails must not end the connection that it was to log.
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
