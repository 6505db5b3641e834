import { isSendableCloseCode, MAX_CLOSE_REASON_BYTES } from "./close-code.ts";
import { invalidArgument } from "./error.ts";

/** The UTF-8 length of a string. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 2;
      index++;
    } else bytes += 2;
  }
  return bytes;
}

/** Throws a TypeError (`invalid_argument`) unless `name` can be an id or a topic: 1 to `maxBytes` bytes of well-formed Unicode. */
export function checkName(what: "id" | "topic", name: unknown, maxBytes: number): asserts name is string {
  if (typeof name !== "string") throw invalidArgument(`the ${what} must be a string, not ${typeof name}`);
  if (name === "") throw invalidArgument(`the ${what} must not be empty`);
  if (!name.isWellFormed()) throw invalidArgument(`the ${what} has a lone surrogate and cannot be written as UTF-8`);
  // A UTF-16 unit is at most three bytes: most names need no count.
  if (name.length * 3 > maxBytes && utf8Bytes(name) > maxBytes) {
    throw invalidArgument(`the ${what} is longer than ${maxBytes} bytes`);
  }
}

/** Throws a TypeError (`invalid_argument`) unless code and reason can stand in a close frame. */
export function checkClose(code: number, reason: string): void {
  if (!isSendableCloseCode(code)) {
    throw invalidArgument(
      `${code} is not a close code that can be sent: use 1000, 1001, 1007 to 1014, or 3000 to 4999`,
    );
  }
  if (typeof reason !== "string") throw invalidArgument(`the close reason must be a string, not ${typeof reason}`);
  if (!reason.isWellFormed()) {
    throw invalidArgument("the close reason has a lone surrogate and cannot be written as UTF-8");
  }
  if (utf8Bytes(reason) > MAX_CLOSE_REASON_BYTES) {
    throw invalidArgument(`the close reason is longer than ${MAX_CLOSE_REASON_BYTES} bytes`);
  }
}

/** Throws a TypeError (`invalid_argument`) unless it is an object, and has all these functions. */
export function checkObject(what: string, value: unknown, functions: readonly string[] = []): asserts value is object {
  if (typeof value !== "object" || value === null) {
    throw invalidArgument(`${what} must be an object, not ${kindOf(value)}`);
  }
  for (const name of functions) checkFunction(`${what}.${name}`, (value as Record<string, unknown>)[name]);
}

/** Throws a TypeError (`invalid_argument`) unless it is a function. */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== "function") throw invalidArgument(`${what} must be a function, not ${kindOf(value)}`);
}

/** Longer than this a timer of the platform does not wait: it would end at once. */
const MAX_MS = 2_147_483_647;

/** Throws a TypeError (`invalid_argument`) unless it is a number of milliseconds of at least `least`, and under 25 days. */
export function checkMs(what: string, value: unknown, least: number): void {
  if (typeof value === "number" && value >= least && value <= MAX_MS) return;
  const from = least === Number.MIN_VALUE ? "over 0" : `of at least ${least}`;
  throw invalidArgument(`${what} must be a number of milliseconds ${from} and at most ${MAX_MS}`);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value;
}
