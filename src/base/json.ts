import { utf8Bytes } from "./check/check.ts";
import { invalidArgument } from "./error.ts";

/** A value that JSON can write. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The JSON of a value, "" for undefined. Throws a TypeError (`invalid_argument`) if it has none or a longer one. */
export function toJson(what: string, value: Json | undefined, maxBytes: number): string {
  if (value === undefined) return "";
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw Object.assign(invalidArgument(`${what} cannot be written as JSON`), { cause: error });
  }
  if (text === undefined) throw invalidArgument(`${what} cannot be written as JSON`);
  if (utf8Bytes(text) > maxBytes) throw invalidArgument(`${what} is longer than ${maxBytes} bytes as JSON`);
  return text;
}

/** The value of what {@link toJson} wrote. */
export function fromJson(text: string): Json | undefined {
  return text === "" ? undefined : (JSON.parse(text) as Json);
}
