import { isPlain, kindOf } from "../base/check/check.ts";
import { invalidArgument } from "../base/error.ts";
import type { Except, SendToManyOptions } from "./verbs.ts";

/** The ids to leave out. Throws a TypeError (`invalid_argument`) for anything but a list of ids. */
export function exceptSet(except: Iterable<string> | undefined): Except {
  if (except === undefined) return undefined;
  if (typeof except === "string" || typeof except?.[Symbol.iterator] !== "function") {
    throw invalidArgument(`except must be a list of ids, such as ["alice"], not ${kindOf(except)}`);
  }
  const ids = new Set(except);
  for (const id of ids) {
    if (typeof id !== "string") {
      throw invalidArgument(`except must be a list of ids, which are strings, not ${kindOf(id)}`);
    }
  }
  return ids.size > 0 ? ids : undefined;
}

/** The options with one more id to leave out. */
export function exceptAlso<Options extends SendToManyOptions>(options: Options, id: string): Options {
  // Bad options are passed on unchanged, to be refused with the call.
  if (!isPlain(options)) return options;
  const { except = [] } = options;
  if (typeof except !== "object" || except === null || !(Symbol.iterator in except)) return options;
  return { ...options, except: [...except, id] };
}
