import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import { plain } from "../adapters/dashboard/plain-json.ts";

/** The output of a command: text for people, or JSON for programs. */
export class Output {
  readonly json: boolean;
  readonly #colours: boolean;

  constructor(json: boolean) {
    this.json = json;
    const { NO_COLOR, TERM } = process.env;
    this.#colours = isTerminal() && !NO_COLOR && TERM !== "dumb";
  }

  /** One answer: as JSON on one line, or as `text` says it. */
  answer(value: unknown, text: () => string): void {
    print(this.json ? JSON.stringify(value, plain) : text());
  }

  /** Whether somebody looks at a terminal, which can be written over. */
  get live(): boolean {
    return !this.json && isTerminal() && process.env["TERM"] !== "dumb";
  }

  /** Tells of long work on stderr, so that it is in no pipe. */
  progress(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  good(text: string): string {
    return this.#paint("32", text);
  }

  bad(text: string): string {
    return this.#paint("31", text);
  }

  faint(text: string): string {
    return this.#paint("2", text);
  }

  strong(text: string): string {
    return this.#paint("1", text);
  }

  #paint(code: string, text: string): string {
    return this.#colours ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function isTerminal(): boolean {
  // Undefined, in spite of the types, if it is a pipe.
  const { isTTY } = process.stdout as { isTTY?: boolean };
  return isTTY === true;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Rows under a head, in columns. A column is aligned to the right if its head begins with a space. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head.map((name) => name.trim()), ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => visible(row[at] ?? ""))));
  return all.map((row) =>
    row.map((cell, at) => {
      const pad = " ".repeat(Math.max(0, (widths[at] ?? 0) - visible(cell)));
      return head[at]?.startsWith(" ") ? pad + cell : cell + pad;
    }).join("  ").trimEnd()
  ).join("\n");
}

/** The characters of a text that are seen: without colours. */
function visible(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** A name from a client or a node, safe to show: one with spaces or control characters is quoted. */
export function shown(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : JSON.stringify(name);
}

/** 12, 12.3k, 1.2M. */
export function short(count: number): string {
  if (count < 10_000) return String(Math.round(count));
  if (count < 1_000_000) return `${(count / 1_000).toFixed(1)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

/** 12 B, 12.3 kB, 1.2 MB. */
export function bytes(count: number): string {
  if (count < 1_000) return `${Math.round(count)} B`;
  if (count < 1_000_000) return `${(count / 1_000).toFixed(1)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

/** The time of day, by this machine's clock. */
export function clock(ms: bigint | number): string {
  return new Date(Number(ms)).toISOString().slice(11, 23);
}

/** How long ago: 5 s, 12 min, 3 h, 2 d. */
export function ago(ms: bigint | number): string {
  const seconds = Math.max(0, (Date.now() - Number(ms)) / 1_000);
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}
