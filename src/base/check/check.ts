import { isSendableCloseCode, MAX_CLOSE_REASON_BYTES } from "../close-code.ts";
import { invalidArgument } from "../error.ts";
import { unknownOption } from "./unknown-option.ts";

/** The UTF-8 length of a string. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit >= 0xd800 && unit < 0xdc00) index++;
  }
  return bytes;
}

/** Throws a TypeError (`invalid_argument`) unless `name` can be an id, a topic or a user: 1 to `maxBytes` bytes of well-formed Unicode. */
export function checkName(what: "id" | "topic" | "user", name: unknown, maxBytes: number): asserts name is string {
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
  throw invalidArgument(`${what} must be a number of milliseconds ${from} and at most ${MAX_MS}, not ${shown(value)}`);
}

/** Throws a TypeError (`invalid_argument`) unless it is a whole number of bytes over 0. */
export function checkBytes(what: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) > 0) return;
  throw invalidArgument(`${what} must be a whole number of bytes over 0, not ${shown(value)}`);
}

/** Throws a TypeError (`invalid_argument`) unless it is a plain object: a literal, not an array or an instance of a class. */
export function checkPlain(what: string, value: unknown): asserts value is Readonly<Record<string, unknown>> {
  if (!isPlain(value)) throw invalidArgument(`${what} must be a plain object, not ${kindOf(value)}`);
}

/** Whether a value is a plain object. */
export function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // The last: a literal of another realm.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A value's type in words: `undefined`, `a string`, `an array`, `an instance of Date`. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Object" ? `an instance of ${name}` : "an object";
}

/** Checks the value of one option; throws a TypeError (`invalid_argument`) that begins with its name. */
export type OptionCheck = (name: string, value: unknown) => void;

/** The options that a function takes, each with the check of a value that is not `undefined`. A missing name does not compile. */
export type OptionTable<Options> = { readonly [Name in keyof Required<Options>]: OptionCheck };

/**
 * Throws a TypeError (`invalid_argument`) unless `options` is a plain object that has only options of the table, with good values.
 *
 * An unknown option is named, with the one that was probably meant. `prefix` is written before each name: `"limits."`.
 */
export function checkOptions<Options>(
  what: string,
  options: unknown,
  table: OptionTable<Options>,
  prefix = "",
): asserts options is Options {
  checkPlain(what, options);
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(table, name)) throw invalidArgument(unknownOption(`${prefix}${name}`, name, Object.keys(table)));
    const value = options[name];
    const check = (table as Readonly<Record<string, OptionCheck>>)[name];
    if (value !== undefined) check?.(`${prefix}${name}`, value);
    else if (check && NEVER_UNDEFINED.has(check)) throw invalidArgument(missing(`${prefix}${name}`));
  }
}

const NEVER_UNDEFINED = new WeakSet<OptionCheck>();

/**
 * The check of an option that must not be `undefined` if it is there at all: without it a forgotten environment variable
 * would silently mean its default.
 */
export function defined(check: OptionCheck): OptionCheck {
  const marked: OptionCheck = (name, value) => check(name, value);
  NEVER_UNDEFINED.add(marked);
  return marked;
}

function missing(name: string): string {
  return `${name} is undefined: set the environment variable that it comes from, or leave the option out`;
}

/** Throws a TypeError (`invalid_argument`) for more arguments than `usage` shows, as in `emit(id, message, options)`. */
export function checkCount(usage: string, given: number, most: number, hint = ""): void {
  if (given > most) throw invalidArgument(`${given} arguments are too many: write ${usage}${hint}`);
}

/** Any value will do, or another check looks at it. */
export const anything: OptionCheck = () => {};

/** The check of an option that is one of some words. */
export function oneOf(...words: readonly string[]): OptionCheck {
  const list = words.map((word) => JSON.stringify(word)).join(" or ");
  return (name, value) => {
    if (words.includes(value as string)) return;
    throw invalidArgument(`${name} must be ${list}, not ${shown(value)}`);
  };
}

/** Throws a TypeError (`invalid_argument`) unless it is a string that is not empty. */
export const checkText: OptionCheck = (name, value) => {
  if (typeof value !== "string") throw invalidArgument(`${name} must be a string, not ${kindOf(value)}`);
  if (value === "") throw invalidArgument(`${name} must not be empty`);
};

/** Throws a TypeError (`invalid_argument`) unless it is a function. */
export const checkCallback: OptionCheck = (name, value) => checkFunction(name, value);

/** Throws a TypeError (`invalid_argument`) unless it is an AbortSignal. */
export const checkSignal: OptionCheck = (name, value) => {
  if (value instanceof AbortSignal) return;
  throw invalidArgument(`${name} must be an AbortSignal, such as AbortSignal.timeout(500), not ${kindOf(value)}`);
};

/** Throws a TypeError (`invalid_argument`) unless it is true or false. */
export const checkFlag: OptionCheck = (name, value) => {
  if (typeof value !== "boolean") throw invalidArgument(`${name} must be true or false, not ${kindOf(value)}`);
};

/** Throws a TypeError (`invalid_argument`) unless it is the path of a URL, written as requests have it. */
export const checkPath: OptionCheck = (name, path) => {
  if (typeof path !== "string") throw invalidArgument(`${name} must be a string such as "/ws", not ${kindOf(path)}`);
  if (!path.startsWith("/")) throw invalidArgument(`${name} must begin with "/": ${JSON.stringify(`/${path}`)}`);
  const url = URL.parse(path, "http://localhost");
  if (url?.pathname === path) return;
  throw invalidArgument(
    `${name} ${JSON.stringify(path)} never matches a request: write it as ${url?.pathname ?? '"/ws"'}`,
  );
};

/** A short value as it was written, or else its type: for options that hold no secret. */
function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value).slice(0, 60) : kindOf(value);
}
